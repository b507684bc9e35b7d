/**
 * Start the daemon, detached, and wait for what it says on file descriptor 3: one JSON line, `{"ready":true}` or
 * `{"error":…}`. Its output goes to daemon.log in the state folder.
 */
import { closeSync, constants, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { DAEMON_MEMORY, HANDED_ON_STDIN } from '@banger/contract/daemon-start.ts';
import { BangerError, toBangerError, type WireError } from '@banger/contract/errors.ts';
import { type FolderOwner, makeOwnFolder } from '@banger/contract/own-folder.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { handedTo, nodeOptions, programEnvironment } from './program-environment.ts';
import { daemonEntry, NODE } from './root.ts';
import { type Program, spawnProgram } from './spawn-program.ts';

/** Reconciling after a crash is part of starting, and may take a while */
const START_LIMIT_MS = 120_000;
/** How long another daemon may take to listen, or to end; that one undoes first what is under way */
const OTHER_LIMIT_MS = 20_000;
/** After it another start is tried; each pause is twice the one before */
const FIRST_PAUSE_MS = 500;
/** What one that does not come up takes to end, once it has said why */
const END_LIMIT_MS = 60_000;
const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;
const MAX_LINE_BYTES = 65_536;
const LOG_LINES = 10;
/** Above it a new log is begun, and the one before the last goes */
const MAX_LOG_BYTES = 4 * 2 ** 20;

type StartParts = {
  paths: BangerPaths;
  owner: FolderOwner;
  socketPath: string;
  daemonMain?: string;
  limitMs?: number;
  otherLimitMs?: number;
};

/** Throws what the daemon says against starting, what `spawnProgram` does, FOLDER_UNSAFE, FOLDER_UNUSABLE, and else DAEMON_UNREACHABLE. */
export async function startDaemon(parts: StartParts): Promise<void> {
  const { socketPath, otherLimitMs = OTHER_LIMIT_MS } = parts;
  const deadlineMs = Date.now() + otherLimitMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
    const other = await startOnce(parts);
    if (other === null) return;
    // Another command started one at the same moment and won, and it listens soon; or one is just ending.
    if (await listensBefore(socketPath, Math.min(Date.now() + pauseMs, deadlineMs))) return;
    if (Date.now() >= deadlineMs) throw other;
  }
}

/** Gives DAEMON_ALREADY_RUNNING when there is another, and throws the rest. */
async function startOnce({
  paths,
  owner,
  daemonMain = daemonEntry('main'),
  limitMs = START_LIMIT_MS,
}: StartParts): Promise<BangerError | null> {
  const logPath = `${paths.state}/daemon.log`;
  const umask = process.umask(0o077); // back before anything is made for the user
  let log: number;
  let compileCache: string | null;
  try {
    makeOwnFolder(paths.state, owner);
    log = openLog(logPath);
    compileCache = makeCompileCache(paths.cache, owner);
  } finally {
    process.umask(umask);
  }
  const logStartBytes = fstatSync(log).size;
  try {
    const daemon = await spawnDaemon(daemonMain, log, compileCache);
    const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
    const answer = await firstLine(daemon, limitMs);
    if (answer === null) throw diedSilently(logPath, readFrom(logPath, logStartBytes));
    const said = readAnswer(answer);
    if (said.is === 'ready') {
      daemon.unref();
      return null;
    }
    // It has nothing more to do: whoever looks next is to find none.
    await Promise.race([ended, delay(END_LIMIT_MS, undefined, { ref: false })]);
    if (said.error.code !== 'DAEMON_ALREADY_RUNNING') throw BangerError.fromWire(said.error);
    return BangerError.fromWire(said.error);
  } finally {
    closeSync(log);
  }
}

function openLog(logPath: string): number {
  try {
    if ((statSync(logPath, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES)
      renameSync(logPath, `${logPath}.old`);
    // A named pipe would keep us waiting for its reader.
    return openSync(logPath, O_APPEND | O_CREAT | O_WRONLY | O_NONBLOCK, 0o600);
  } catch (cause) {
    // On a full disk a daemon without a log is better than none: it is what frees space.
    const known = toBangerError(cause);
    if (known.code === 'DISK_FULL') return openSync('/dev/null', 'w');
    if (known.code.startsWith('DISK_')) throw known;
    throw new BangerError('DAEMON_UNREACHABLE', {
      message: `The daemon cannot be started: its log ${logPath} cannot be written (${(cause as Error).message}).`,
      hint: 'Set XDG_STATE_HOME to a folder of yours, or give yourself this one.',
      cause,
    });
  }
}

/** What Node keeps there is run again, so it is made behind the checks of our folders; `bin/banger` uses no other. */
function makeCompileCache(cacheFolder: string, owner: FolderOwner): string | null {
  try {
    const folder = `${cacheFolder}/node-compile-cache`;
    makeOwnFolder(folder, owner);
    return folder;
  } catch {
    return null; // the daemon says what is wrong with its folders; where it only lacks space, its start takes longer
  }
}

async function spawnDaemon(daemonMain: string, log: number, compileCache: string | null): Promise<Program> {
  const words = [DAEMON_MEMORY, ...nodeOptions(process.env), daemonMain, 'serve', HANDED_ON_STDIN];
  const daemon = await spawnProgram(NODE, words, {
    detached: true, // a session of its own: Ctrl-C and the end of the terminal do not reach it
    cwd: '/',
    env: programEnvironment({ ...process.env, ...(compileCache && { NODE_COMPILE_CACHE: compileCache }) }),
    stdio: ['pipe', log, log, 'pipe'],
  });
  daemon.stdin?.on('error', () => {}); // it ended, which its silence tells
  daemon.stdin?.end(JSON.stringify(handedTo(process.env)));
  return daemon;
}

/**
 * Null when the daemon ended, or closed the descriptor, before it said anything. One that says nothing in time is ended:
 * nobody would know of it, and the next start would meet its lock.
 */
async function firstLine(daemon: Program, limitMs: number): Promise<string | null> {
  const pipe = daemon.stdio[3] as Readable;
  const limit = new AbortController();
  const tooLate = delay(limitMs, undefined, { signal: limit.signal }).then(() => {
    daemon.kill('SIGKILL'); // what it began is finished or undone by the next one, as after any crash
    throw new BangerError('DAEMON_UNREACHABLE', {
      message: `The daemon was started, but was not ready after ${limitMs / 1000} s, and was ended.`,
      hint: 'Its log is daemon.log in the state folder.',
    });
  });
  tooLate.catch(() => {}); // aborted when the line came
  try {
    return await Promise.race([readLine(pipe), tooLate]);
  } finally {
    limit.abort();
    pipe.destroy();
  }
}

async function readLine(pipe: Readable): Promise<string | null> {
  let text = '';
  for await (const chunk of pipe) {
    text += String(chunk);
    const end = text.indexOf('\n');
    if (end >= 0) return text.slice(0, end);
    if (text.length > MAX_LINE_BYTES) return text;
  }
  return null;
}

type Said = { is: 'ready' } | { is: 'failed'; error: WireError };

function readAnswer(line: string): Said {
  try {
    const said = JSON.parse(line) as { ready?: boolean; error?: WireError };
    if (said.ready === true) return { is: 'ready' };
    if (said.error !== undefined) return { is: 'failed', error: said.error };
  } catch {
    // told below, with what it said
  }
  throw new BangerError('DAEMON_UNREACHABLE', {
    message: `The daemon started, but said this instead of "ready": ${line.slice(0, 200)}`,
  });
}

async function listensBefore(socketPath: string, deadlineMs: number): Promise<boolean> {
  do {
    if (await isListening(socketPath)) return true;
    await delay(50);
  } while (Date.now() < deadlineMs);
  return false;
}

export function isListening(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function readFrom(path: string, startBytes: number): string {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return '';
  const file = openSync(path, 'r');
  try {
    const lengthBytes = Math.max(0, fstatSync(file).size - startBytes);
    const tail = Buffer.alloc(Math.min(lengthBytes, MAX_LINE_BYTES));
    const got = readSync(file, tail, 0, tail.length, startBytes + lengthBytes - tail.length);
    return tail.toString('utf8', 0, got);
  } finally {
    closeSync(file);
  }
}

function diedSilently(logPath: string, said: string): BangerError {
  const lines = said.trimEnd().split('\n').slice(-LOG_LINES).filter(Boolean);
  return new BangerError('DAEMON_UNREACHABLE', {
    message: `The daemon ended before it was ready${lines.length === 0 ? ', and said nothing' : '; its last words:'}`,
    hint: `Its log is ${logPath}.`,
    details: { console: lines },
  });
}
