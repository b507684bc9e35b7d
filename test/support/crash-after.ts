/**
 * Loaded into the daemon by BANGER_TEST_IMPORT, or into a recovery or an import: ends it with SIGKILL right before it touches the
 * host for the Nth time, or in a certain way.
 *
 * The file that BANGER_CRASH_FILE names arms it and holds N, or part of what is told of a touch. A touch is a write to the state, a change to a file, a
 * program started or a process ended: what a power cut could come between. What was touched last is left in
 * `<file>.hit`.
 */
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync, StatementSync } from 'node:sqlite';

const armedBy = process.env.BANGER_CRASH_FILE;
let touches = 0;

if (armedBy && /(daemon\/src\/(main|recover)|support\/import-base)\.ts$/.test(process.argv[1] ?? '')) {
  for (const name of [
    'mkdir',
    'rm',
    'rename',
    'writeFile',
    'truncate',
    'symlink',
    'open',
    'link',
    'copyFile',
  ] as const) {
    countCalls(fs.promises, name, `fs.${name}`);
  }
  countCalls(childProcess, 'spawn', 'spawn');
  countCalls(process, 'kill', 'kill');
  countCalls(StatementSync.prototype, 'run', 'state');
  countCalls(DatabaseSync.prototype, 'exec', 'state');
  syncBuiltinESMExports();
}

function countCalls<Owner extends object>(owner: Owner, name: keyof Owner & string, what: string): void {
  const original = owner[name] as (...args: unknown[]) => unknown;
  owner[name] = function (this: unknown, ...args: unknown[]) {
    touch(`${what} ${String(args[0])}`);
    return original.apply(this, args);
  } as Owner[typeof name];
}

const { existsSync, readFileSync, writeFileSync } = fs;
const kill = process.kill.bind(process);

function touch(what: string): void {
  if (!armedBy || !existsSync(armedBy)) {
    touches = 0;
    return;
  }
  touches++;
  const wanted = readFileSync(armedBy, 'utf8');
  if (/^\d+$/.test(wanted) ? touches !== Number(wanted) : !what.includes(wanted)) return;
  writeFileSync(`${armedBy}.hit`, what);
  kill(process.pid, 'SIGKILL');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // the signal ends the process before another line runs
}
