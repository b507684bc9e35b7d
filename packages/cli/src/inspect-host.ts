/** Asks the daemon's program, not a running daemon, what it sees: an answer a line, in any state of this host. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BangerError, type WireError } from '@banger/contract/errors.ts';

const INSPECT_MAIN = fileURLToPath(new URL('../../daemon/src/inspect.ts', import.meta.url));
const LIMIT_MS = 30_000;

/** Throws the error that it reports, and INTERNAL when it ends without an answer. */
export async function* inspectHost<Answer extends object>(what: 'config' | 'doctor'): AsyncGenerator<Answer, void> {
  const program = spawn(process.execPath, [INSPECT_MAIN, what], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const stderr: string[] = [];
  program.stderr.on('data', (bytes) => stderr.push(String(bytes)));
  const ended = once(program, 'close');
  ended.catch(() => {}); // awaited below
  let hasAnswered = false;
  for await (const line of createInterface({ input: program.stdout })) {
    const said = JSON.parse(line) as Answer | { error: WireError };
    if ('error' in said) throw BangerError.fromWire(said.error as WireError);
    hasAnswered = true;
    yield said;
  }
  const [code] = await ended;
  if (code === 0 && hasAnswered) return;
  throw new BangerError('INTERNAL', {
    message: `The daemon's program ended with ${code} while it looked at this host.`,
    details: { console: stderr.join('').trim().split('\n').slice(-10) },
  });
}
