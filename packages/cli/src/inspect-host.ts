/** Asks the daemon's program, not a running daemon: an answer a line, in any state of this host. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Installation } from '@banger/contract/api/installation.ts';
import type { Recovery } from '@banger/contract/api/recovery.ts';
import { BangerError, type WireError } from '@banger/contract/errors.ts';
import { untilInterrupted } from './interrupts.ts';
import { nodeOptions, programEnvironment } from './program-environment.ts';
import { daemonEntry, NODE } from './root.ts';
import { spawnProgram } from './spawn-program.ts';

/** Seconds on a host that is not busy: the doctor tries what it tells of */
const LIMIT_MS = 120_000;
/** It reads a few small files for each vm and image, and copies of the state */
const RECOVER_LIMIT_MS = 600_000;
/** Above its own, which says what took so long, and what undoing takes then */
const SYSTEM_LIMIT_MS = 900_000;

/** Throws the error that it reports, and INTERNAL when it ends without an answer. */
export function inspectHost<Answer extends object>(what: 'config' | 'doctor'): AsyncGenerator<Answer, void> {
  return answersOf([daemonEntry('inspect'), what], { timeoutMs: LIMIT_MS });
}

/** Makes the state anew. Throws likewise, and DAEMON_ALREADY_RUNNING. */
export async function recoverState({ dryRun }: { dryRun: boolean }): Promise<Recovery> {
  const argv = [daemonEntry('recover'), ...(dryRun ? ['--dry-run'] : [])];
  const answers = await Array.fromAsync(answersOf<Recovery>(argv, { timeoutMs: RECOVER_LIMIT_MS }));
  return answers[0] as Recovery;
}

/**
 * Banger for the whole system. It is root's, so nothing of the caller's environment goes along. An interrupt is passed on, and
 * waited for until all is undone. Throws likewise, and ROOT_NEEDED, INSTALL_REFUSED, INSTALL_FAILED, STATE_TOO_NEW, CANCELLED.
 */
export async function changeSystem(
  verb: 'install' | 'status' | 'restart' | 'uninstall',
  options: { owner?: string | null; caller?: string | null; purge?: boolean } = {},
): Promise<Installation> {
  const argv = [daemonEntry('system'), verb, JSON.stringify(options)];
  const asked = { timeoutMs: SYSTEM_LIMIT_MS, env: {}, interrupted: untilInterrupted() };
  return (await Array.fromAsync(answersOf<Installation>(argv, asked)))[0] as Installation;
}

type Asked = { timeoutMs: number; env?: NodeJS.ProcessEnv; interrupted?: AbortSignal };

async function* answersOf<Answer extends object>(
  argv: string[],
  { timeoutMs, env = process.env, interrupted }: Asked,
): AsyncGenerator<Answer, void> {
  const program = await spawnProgram(NODE, [...nodeOptions(env), ...argv], {
    env: programEnvironment(env),
    cwd: '/', // the one that we are in may be gone
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  interrupted?.addEventListener('abort', () => program.kill('SIGTERM'));
  const stderr: string[] = [];
  program.stderr?.on('data', (bytes) => stderr.push(String(bytes)));
  const ended = once(program, 'close');
  ended.catch(() => {}); // awaited below, unless the reader has had enough
  let hasAnswered = false;
  for await (const line of createInterface({ input: program.stdout as Readable })) {
    const said = JSON.parse(line) as Answer | { error: WireError };
    if ('error' in said) throw BangerError.fromWire(said.error as WireError);
    hasAnswered = true;
    yield said;
  }
  const [code, signal] = await ended;
  if (code === 0 && hasAnswered) return;
  if (signal === 'SIGKILL') {
    throw new BangerError('TIMED_OUT', {
      message: `The daemon's program had not answered after ${timeoutMs / 1000} s.`,
      hint: 'The host may be very busy: try again.',
    });
  }
  throw new BangerError('INTERNAL', {
    message: `The daemon's program ended with ${signal ?? code} before it had answered.`,
    details: { console: stderr.join('').trim().split('\n').slice(-10) },
  });
}
