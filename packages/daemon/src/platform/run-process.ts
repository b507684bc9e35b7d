/**
 * The one place where the daemon starts programs.
 *
 * `runProcess` waits for one and gives its output; `startProcess` leaves one running that outlives the daemon.
 * No shell is ever involved.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { toolMissing } from './find-tool.ts';
import { type ProcessRef, readProcessRef } from './processes.ts';
import type { Task } from './task.ts';

const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

export type RunOptions = {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Exit codes that are not failures */
  acceptCodes?: number[];
  /** Called with standard error line by line, for progress */
  onStderrLine?: (line: string) => void;
  /** Fed to standard input; otherwise it is /dev/null */
  stdin?: Readable;
  /** Receives standard output, which is then not collected */
  stdout?: Writable;
  /** One that writes more to standard output is killed, and has failed; 8 MiB where it is collected */
  maxStdoutBytes?: number;
  /** A group of its own, killed as a whole when the task is cancelled: for tools that start others */
  ownGroup?: boolean;
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

/** Throws TOOL_MISSING, ProcessFailure, or CANCELLED or TIMED_OUT after the program was killed. */
export async function runProcess(
  task: Task,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<ProcessOutput> {
  task.check();
  expectFolder(options.cwd);
  const child = spawn(argv[0] as string, argv.slice(1), {
    stdio: [options.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    detached: options.ownGroup ?? false,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.env !== undefined && { env: options.env }),
  });
  const kill = () => killChild(child, options.ownGroup ?? false);
  task.signal.addEventListener('abort', kill, { once: true });
  try {
    const { code, signal, stdout, stderr, tooMuch } = await finish(child, argv, options, kill);
    task.check();
    if (tooMuch) throw new ProcessFailure(argv, { stderr, overLimit: `printed more than ${tooMuch}` });
    if (code !== 0 && !(options.acceptCodes ?? []).includes(code ?? -1)) {
      throw new ProcessFailure(argv, { code, signal, stderr });
    }
    return { code: code ?? -1, stdout, stderr };
  } finally {
    task.signal.removeEventListener('abort', kill);
  }
}

type StartOptions = { cwd: string; env?: NodeJS.ProcessEnv; logPath: string };

export type StartedProcess = {
  ref: ProcessRef;
  /** Resolves when it ends while this daemon lives */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
};

/** Starts a program in a session of its own, with its output appended to `logPath`. Throws TOOL_MISSING. */
export async function startProcess(
  argv: readonly string[],
  { cwd, env, logPath }: StartOptions,
): Promise<StartedProcess> {
  const log = openSync(logPath, 'a', 0o600);
  try {
    const child = spawn(argv[0] as string, argv.slice(1), {
      cwd,
      detached: true,
      stdio: ['ignore', log, log],
      ...(env !== undefined && { env }),
    });
    const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    exited.catch(() => {}); // a failed spawn is reported just below
    await spawned(child, argv, cwd);
    child.unref();
    const ref = readProcessRef(child.pid as number) ?? { pid: child.pid as number, startTicks: -1 };
    return { ref, exited };
  } finally {
    closeSync(log);
  }
}

async function finish(child: ChildProcess, argv: readonly string[], options: RunOptions, kill: () => void) {
  const stdout = options.stdout ? null : collect(child.stdout as Readable);
  const stderr = collect(child.stderr as Readable, options.onStderrLine);
  const closed = once(child, 'close');
  closed.catch(() => {}); // a failed spawn is reported by spawned()
  await spawned(child, argv, options.cwd);
  // A reader or writer that fails leaves the program with a closed pipe, and its exit code tells.
  options.stdin?.on('error', () => child.kill('SIGKILL')).pipe(child.stdin as Writable);
  child.stdin?.on('error', () => {});
  let printedBytes = 0;
  const maxBytes = options.maxStdoutBytes ?? (stdout ? MAX_OUTPUT_BYTES : Number.POSITIVE_INFINITY);
  child.stdout?.on('data', (chunk: Buffer) => {
    printedBytes += chunk.length;
    if (printedBytes > maxBytes) kill();
  });
  if (options.stdout) (child.stdout as Readable).pipe(options.stdout);
  const [code, signal] = (await closed) as [number | null, NodeJS.Signals | null];
  const tooMuch = printedBytes > maxBytes ? formatSize(maxBytes) : null;
  return { code, signal, stdout: stdout?.() ?? '', stderr: stderr(), tooMuch };
}

function spawned(child: ChildProcess, argv: readonly string[], cwd?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve());
    child.once('error', (fault: NodeJS.ErrnoException) => {
      const [tool = ''] = argv;
      reject(findFolderFault(cwd) ?? (isMissing(fault, tool) ? toolMissing(tool) : fault));
    });
  });
}

/** Node says of the program that it is missing when it is its working folder that is gone. */
function expectFolder(cwd: string | undefined): void {
  const fault = findFolderFault(cwd);
  if (fault) throw fault;
}

function findFolderFault(cwd: string | undefined): BangerError | null {
  if (cwd === undefined || statSync(cwd, { throwIfNoEntry: false })?.isDirectory()) return null;
  return new BangerError('FILE_NOT_FOUND', {
    message: `${cwd} is not a folder, or not there any more.`,
    details: { path: cwd },
  });
}

/** A PATH with a folder that this user may not search, such as one of root's, says EACCES of what is in none of them. */
function isMissing({ code }: NodeJS.ErrnoException, tool: string): boolean {
  return code === 'ENOENT' || (code === 'EACCES' && !tool.includes('/'));
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

function killChild(child: ChildProcess, wholeGroup: boolean): void {
  try {
    if (wholeGroup && child.pid) process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // it ended by itself
  }
}
