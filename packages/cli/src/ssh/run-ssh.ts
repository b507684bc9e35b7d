/** The user's own ssh, on this terminal. */
import { once } from 'node:events';
import { constants } from 'node:os';
import { BangerError } from '@banger/contract/errors.ts';
import { spawnProgram } from '../spawn-program.ts';

/** From a terminal these reach ssh by themselves; what ends us ends it */
const LEFT_TO_SSH = ['SIGINT', 'SIGQUIT'] as const;
const PASSED_ON = ['SIGTERM', 'SIGHUP'] as const;

/** Gives its exit code, or 128 + n when signal n ended it. Throws TOOL_MISSING. */
export async function runSsh(words: string[]): Promise<number> {
  for (const signal of LEFT_TO_SSH) process.on(signal, () => {});
  const child = await spawnProgram('ssh', words, { stdio: 'inherit' }).catch((fault: BangerError) => {
    throw isMissing(fault) ? sshMissing(fault) : fault;
  });
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals];
  return code ?? 128 + constants.signals[signal];
}

function isMissing({ cause }: BangerError): boolean {
  return (cause as NodeJS.ErrnoException).code === 'ENOENT';
}

function sshMissing(cause: Error): BangerError {
  return new BangerError('TOOL_MISSING', {
    message: 'The program ssh is not installed.',
    hint: 'On Debian: sudo apt-get install openssh-client. "banger vm exec" does without it.',
    cause,
  });
}
