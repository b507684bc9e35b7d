/** The user's own ssh, on this terminal. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { BangerError } from '@banger/contract/errors.ts';

/** From a terminal these reach ssh by themselves; what ends us ends it */
const LEFT_TO_SSH = ['SIGINT', 'SIGQUIT'] as const;
const PASSED_ON = ['SIGTERM', 'SIGHUP'] as const;

/** Gives its exit code, or 128 + n when signal n ended it. Throws TOOL_MISSING. */
export function runSsh(words: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('ssh', words, { stdio: 'inherit' });
    for (const signal of LEFT_TO_SSH) process.on(signal, () => {});
    for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
    child.once('error', (cause) => reject(sshMissing(cause)));
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]));
  });
}

function sshMissing(cause: Error): BangerError {
  return new BangerError('TOOL_MISSING', {
    message: `ssh could not be started: ${cause.message}.`,
    hint: 'On Debian: sudo apt-get install openssh-client. "banger vm exec" does without it.',
    cause,
  });
}
