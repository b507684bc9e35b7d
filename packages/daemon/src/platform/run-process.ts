/**
 * The one place where the daemon starts programs.
 *
 * `runProcess` waits for one and gives its output; `startProcess` leaves one running that outlives the daemon.
 * No shell is ever involved. A program is found in the host's own folders, and its environment is the one below: of what
 * the daemon was started with it gets nothing that is not given to it by name.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { findSystemFault } from '@banger/contract/system-faults.ts';
import { requireTool, TOOL_FOLDERS } from './find-tool.ts';
import { killProcess, killTree, listGroup, type ProcessRef, readProcessRef } from './processes.ts';
import { noteStart } from './started.ts';
import type { Task } from './task.ts';

const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;
const ENVIRONMENT = { PATH: TOOL_FOLDERS.join(':'), LANG: 'C', LC_ALL: 'C' };

export type RunOptions = {
  cwd?: string;
  /** What it needs besides PATH and a plain locale */
  env?: Readonly<Record<string, string | undefined>>;
  /** Exit codes that are not failures */
  acceptCodes?: number[];
  /** Called with standard error line by line, for progress */
  onStderrLine?: (line: string) => void;
  /** Fed to standard input; otherwise it is /dev/null */
  stdin?: Readable;
  /**
   * Receives standard output, which is then not collected. It is ended once the program has succeeded, and destroyed when
   * it has failed: half of it looks whole to a reader.
   */
  stdout?: Writable;
  /** One that writes more to standard output is killed, and has failed; 8 MiB where it is collected */
  maxStdoutBytes?: number;
};

export type ProcessOutput = { code: number; stdout: string; stderr: string };

/** A program that failed; services turn it into an error of their own with this as the cause. */
export class ProcessFailure extends Error {
  /** Null when a signal or a limit of ours ended it */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  /** What it wanted more of than it may have, in words */
  readonly overLimit: string | null;

  constructor([program]: readonly string[], { code = null, signal = null, overLimit = null, ...said }: Failure) {
    const stderr = withoutPasswords(said.stderr ?? '');
    const lines = stderr.trim().split('\n').slice(-5).join('\n');
    const end = signal ? `was ended by ${signal}` : `exited with ${code}`;
    super(`${program} ${overLimit ?? end}${lines ? `: ${lines}` : ''}`);
    this.code = code;
    this.signal = signal;
    this.stderr = stderr;
    this.overLimit = overLimit;
  }
}

/** Programs print addresses as they were given them; a password in one has no business in an error or a log. */
function withoutPasswords(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/]*@/gi, '$1');
}

type Failure = Partial<Pick<ProcessFailure, 'code' | 'signal' | 'stderr' | 'overLimit'>>;

/**
 * Throws TOOL_MISSING, TOO_MANY_FILES, HOST_EXHAUSTED, NOT_ENOUGH_MEMORY, ProcessFailure, PROCESS_STUCK, or CANCELLED or
 * TIMED_OUT; by then the program, all that it has started and its group are gone.
 */
export async function runProcess(
  task: Task,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<ProcessOutput> {
  const { stdin, stdout } = options;
  stdin?.on('error', () => {}); // it may fail before the program runs; see finish()
  stdout?.on('error', () => {}); // whoever broke it is the one that reports
  try {
    const output = await runToEnd(task, argv, options);
    if (stdout?.writable) stdout.end();
    return output;
  } catch (fault) {
    stdout?.destroy(fault as Error); // its reader hears of it after the caller
    throw fault;
  }
}

async function runToEnd(task: Task, argv: readonly string[], options: RunOptions): Promise<ProcessOutput> {
  task.check();
  const child = await begin(argv, {
    stdio: [options.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, which is killed as a whole
    cwd: options.cwd,
    env: { ...options.env },
  });
  let killing: Promise<void> | undefined;
  let isOver = false;
  const kill = () => {
    if (isOver) return; // its number may be another's by now
    killing ??= killAll(child);
    killing.catch(() => {}); // awaited below
  };
  task.signal.addEventListener('abort', kill, { once: true });
  try {
    if (task.signal.aborted) kill();
    const { code, signal, stdout, stderr, tooMuch } = await finish(child, options, kill);
    await killing; // what it had started may end later than itself, and writes until then
    task.check();
    if (tooMuch) throw new ProcessFailure(argv, { stderr, overLimit: `printed more than ${tooMuch}` });
    if (code !== 0 && !(options.acceptCodes ?? []).includes(code ?? -1)) {
      throw new ProcessFailure(argv, { code, signal, stderr });
    }
    return { code: code ?? -1, stdout, stderr };
  } finally {
    isOver = true;
    task.signal.removeEventListener('abort', kill);
  }
}

/** Its output is appended to a file, or goes to files that are open already. */
export type ProcessOutputs = { logPath: string } | { stdout: number; stderr: number };

type StartOptions = ProcessOutputs & {
  runFolder: string;
  /** Where it starts; in the folder of its run unless this says otherwise */
  cwd?: string;
  /** What it needs besides PATH and a plain locale */
  env?: Readonly<Record<string, string>>;
  /** A file that is open, for its standard input; nothing unless this says otherwise */
  stdin?: number;
  /** It writes something to descriptor 3, and closes that */
  hasReport?: boolean;
};

export type StartedProcess = {
  ref: ProcessRef;
  /** Resolves when it ends while this daemon lives */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** What it wrote to descriptor 3, once it has closed that */
  report: Promise<string>;
};

/**
 * Starts a program in a session of its own, and writes its words down in the folder of its run, where `findStarted` finds
 * them. Throws TOOL_MISSING, TOO_MANY_FILES, HOST_EXHAUSTED, NOT_ENOUGH_MEMORY.
 */
export async function startProcess(argv: readonly string[], options: StartOptions): Promise<StartedProcess> {
  const { runFolder, cwd = runFolder, env = {}, stdin = 'ignore', hasReport = false } = options;
  noteStart(runFolder, argv);
  const log = 'logPath' in options ? openSync(options.logPath, 'a', 0o600) : null;
  try {
    const output = 'logPath' in options ? [log, log] : [options.stdout, options.stderr];
    const stdio: SpawnOptions['stdio'] = [stdin, ...output, ...(hasReport ? (['pipe'] as const) : [])];
    const child = await begin(argv, { cwd, env, detached: true, stdio });
    const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    child.unref();
    const ref = readProcessRef(child.pid as number) ?? { pid: child.pid as number, startTicks: -1 };
    return { ref, exited, report: readReport(child.stdio[3]) };
  } finally {
    if (log !== null) closeSync(log);
  }
}

async function readReport(stream: ChildProcess['stdio'][3]): Promise<string> {
  if (!stream) return '';
  const text = collect(stream as Readable);
  await once(stream, 'close');
  return text();
}

async function finish(child: ChildProcess, options: RunOptions, kill: () => void) {
  const stdout = options.stdout ? null : collect(child.stdout as Readable);
  const stderr = collect(child.stderr as Readable, options.onStderrLine);
  const closed = once(child, 'close');
  // A reader or writer that fails leaves the program with a closed pipe, and its exit code tells.
  if (options.stdin) pipeWhole(options.stdin, child.stdin as Writable, kill);
  child.stdin?.on('error', () => {});
  let printedBytes = 0;
  const maxBytes = options.maxStdoutBytes ?? (stdout ? MAX_OUTPUT_BYTES : Number.POSITIVE_INFINITY);
  child.stdout?.on('data', (chunk: Buffer) => {
    printedBytes += chunk.length;
    if (printedBytes > maxBytes) kill();
  });
  if (options.stdout) pipeWhileWanted(child.stdout as Readable, options.stdout);
  const [code, signal] = (await closed) as [number | null, NodeJS.Signals | null];
  const tooMuch = printedBytes > maxBytes ? formatSize(maxBytes) : null;
  return { code, signal, stdout: stdout?.() ?? '', stderr: stderr(), tooMuch };
}

/** A stream that is destroyed does not end what it is piped to: the program would wait for the rest. */
function pipeWhole(from: Readable, to: Writable, onCut: () => void): void {
  const look = () => from.readableEnded || onCut();
  if (from.destroyed) look();
  from.once('error', onCut).once('close', look).pipe(to);
}

/** Nobody would read on where the other stream has failed, and the program would wait. That it is whole is told later. */
function pipeWhileWanted(from: Readable, to: Writable): void {
  if (to.destroyed) from.destroy();
  to.once('close', () => from.destroy());
  from.pipe(to, { end: false });
}

/** Resolves once it runs. One that cannot run has no streams, and one that runs has no more errors to tell. */
async function begin([tool = '', ...words]: readonly string[], options: SpawnOptions): Promise<ChildProcess> {
  const program = requireTool(tool);
  const { promise: running, resolve, reject } = Promise.withResolvers<void>();
  try {
    const child = spawn(program, words, { ...options, env: { ...ENVIRONMENT, ...options.env } });
    child.once('spawn', resolve);
    child.on('error', reject);
    await running;
    return child;
  } catch (fault) {
    throw explain(fault as Error, options.cwd);
  }
}

function explain(fault: Error, cwd: SpawnOptions['cwd']): Error {
  const isFolder = cwd === undefined || statSync(cwd, { throwIfNoEntry: false })?.isDirectory();
  if (isFolder) return findSystemFault(fault) ? toBangerError(fault) : fault;
  // Node says of the program that it is missing when it is its folder that is gone.
  return new BangerError('FILE_NOT_FOUND', {
    message: `${cwd} is not a folder, or not there any more.`,
    details: { path: cwd },
    cause: fault,
  });
}

function collect(stream: Readable, onLine?: (line: string) => void): () => string {
  const chunks: Buffer[] = [];
  let keptBytes = 0;
  let partialLine = '';
  stream.on('data', (chunk: Buffer) => {
    if (keptBytes < MAX_OUTPUT_BYTES) chunks.push(chunk);
    keptBytes += chunk.length;
    if (!onLine) return;
    const lines = (partialLine + chunk.toString('utf8')).split(/[\r\n]/);
    partialLine = (lines.pop() as string).slice(-4096);
    for (const line of lines) if (line) onLine(line);
  });
  return () => Buffer.concat(chunks).subarray(0, MAX_OUTPUT_BYTES).toString('utf8');
}

/** What had left both its tree and its group may hold the output open: nobody waits for that. */
async function killAll(child: ChildProcess): Promise<void> {
  const group = child.pid as number;
  child.stdout?.destroy();
  child.stderr?.destroy();
  const isOurs = child.exitCode === null && child.signalCode === null; // the number may be another's later
  const root = isOurs ? readProcessRef(group) : null;
  if (root) await killTree(root); // first: what is orphaned is in no tree
  await Promise.all(listGroup(group).map(killProcess));
}
