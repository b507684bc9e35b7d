/** What a running command has written so far, and a bounded wait for more. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

const LIMIT_MS = 60_000;

export type Ended = { code: number | null; signal: NodeJS.Signals | null; stdout: Buffer; stderr: string };

/** Begin before anything else happens to the command, else its first words are lost. */
export function watchOutput(child: ChildProcess) {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  const listeners = new Set<() => void>();
  let hasEnded = false;
  collect(child.stdout, stdout);
  collect(child.stderr, stderr);
  child.stdin?.on('error', () => {}); // a command that does not read is not a fault here
  const closed = once(child, 'close').then(([code, signal]): Ended => {
    hasEnded = true;
    tellAll();
    return { code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
  });
  return { until, ended };

  /** Resolves when the text was written; throws when the command ended without it. */
  function until(text: string, to: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    const chunks = to === 'stdout' ? stdout : stderr;
    return bounded(
      new Promise((resolve, reject) => {
        const look = () => {
          if (Buffer.concat(chunks).includes(text)) resolve();
          else if (hasEnded) reject(new Error(`the command ended without "${text}": ${said()}`));
          else return;
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      }),
      `"${text}"`,
    );
  }

  function ended(): Promise<Ended> {
    return bounded(closed, 'the end');
  }

  function collect(stream: Readable | null, chunks: Buffer[]): void {
    stream?.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      tellAll();
    });
  }

  function tellAll(): void {
    for (const listener of listeners) listener();
  }

  async function bounded<Value>(work: Promise<Value>, what: string): Promise<Value> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      late.reject(new Error(`${what} did not come within ${LIMIT_MS / 1000} s: ${said()}`));
    }, LIMIT_MS);
    try {
      return await Promise.race([work, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  function said(): string {
    return Buffer.concat([...stdout, ...stderr])
      .subarray(-2000)
      .toString();
  }
}
