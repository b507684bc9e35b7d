/** Runs the command as its users start it: from `bin/banger`, or what BANGER_UNDER_TEST names, such as the packaged one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FakeDaemon } from '@banger/sdk/testing/fake-daemon.ts';

export const BANGER =
  process.env.BANGER_UNDER_TEST ?? fileURLToPath(new URL('../../../../bin/banger', import.meta.url));

export type Result = { code: number | null; stdout: string; stderr: string };

export function start(env: Record<string, string>, args: string[], cwd = '/'): ChildProcess {
  return spawn(BANGER, args, { env, cwd, stdio: 'pipe' });
}

export async function finish(child: ChildProcess, input: string | Buffer = ''): Promise<Result> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (bytes) => {
    stdout += bytes;
  });
  child.stderr?.on('data', (bytes) => {
    stderr += bytes;
  });
  child.stdin?.on('error', () => {}); // it may end without reading
  child.stdin?.end(input);
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

/** "vm ls --json", against a daemon that stands in for the real one. */
export function run(daemon: FakeDaemon, line: string, input?: string | Buffer): Promise<Result> {
  return finish(start(daemon.env, line.split(' ')), input);
}

/** A line for bash, in which `banger` is the command. */
export function runShell(env: Record<string, string>, script: string): Promise<Result> {
  return finish(spawn('bash', ['-c', `banger() { "${BANGER}" "$@"; }\n${script}`], { env, cwd: '/', stdio: 'pipe' }));
}
