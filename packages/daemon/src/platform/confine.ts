/**
 * Runs a program that reads what a stranger made, an image, a kernel, a repository, what a guest sent, to its end behind
 * the walls of walls.ts, with a /tmp of its own and limits on all that it may take.
 *
 * Whatever it starts ends with it, and with this daemon. Where a host refuses the namespaces that walls are made of, the
 * limits alone hold, and that is told: to the first task that meets it, and by the doctor.
 */
import { readdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { formatSize } from '@banger/contract/sizes.ts';
import { allocatedBytes } from './files.ts';
import { requireTool } from './find-tool.ts';
import { ProcessFailure, type ProcessOutput, type RunOptions, runProcess } from './run-process.ts';
import type { Task } from './task.ts';
import { HOST_WALLS, type View, type Walls } from './walls.ts';

const GIB = 2 ** 30;

export type Confinement = Pick<View, 'readable' | 'writable'> & { limits?: Partial<Limits> };

export type Limits = {
  /** Of the processor, for each process */
  cpuSeconds: number;
  /** Of addresses, for each process */
  memoryBytes: number;
  /** The largest file that it may write */
  fileBytes: number;
  /** What all that is writable may grow by; looked at twice a second, and not at all when it is infinite */
  growthBytes: number;
  /** On standard output */
  outputBytes: number;
  /** At once, threads included. The kernel does not count those of root. */
  processes: number;
};

const USUAL_LIMITS: Limits = {
  cpuSeconds: 600,
  memoryBytes: 4 * GIB,
  fileBytes: 8 * GIB,
  growthBytes: 8 * GIB,
  outputBytes: 8 * GIB,
  processes: 256,
};

const TMP_BYTES = 256 * 2 ** 20;
const GROWTH_INTERVAL_MS = 500;
/** Between the signal that tells a program of its limit and the one that ends it */
const LAST_CPU_SECONDS = 5;

export const { runConfined } = createConfinement(HOST_WALLS);

/** Tests call it with walls of their own. */
export function createConfinement(walls: Walls) {
  return { runConfined };

  /**
   * Runs it to its end, like `runProcess`. Throws TOOL_MISSING, CANCELLED, and ProcessFailure, also for one that wanted
   * more than its limits.
   */
  async function runConfined(
    task: Task,
    argv: readonly string[],
    { readable = [], writable = [], limits: own = {} }: Confinement,
    options: Omit<RunOptions, 'maxStdoutBytes'> = {},
  ): Promise<ProcessOutput> {
    const limits = { ...USUAL_LIMITS, ...own };
    const program = [requireTool(argv[0] as string), ...argv.slice(1)];
    const view = { readable, writable, tmpBytes: TMP_BYTES };
    const around = await walls.around(task, view, ['--die-with-parent', '--chdir', options.cwd ?? '/']);
    const growth = watchGrowth(writable, limits.growthBytes);
    try {
      return await runProcess(task.withSignal(growth.signal), [...around, ...prlimit(limits), ...program], {
        ...options,
        maxStdoutBytes: limits.outputBytes,
      });
    } catch (fault) {
      task.check();
      const overLimit = `wrote more than ${formatSize(limits.growthBytes)}`;
      if (growth.signal.aborted) throw new ProcessFailure(argv, { overLimit });
      throw fault instanceof ProcessFailure ? inItsOwnName(argv, fault, limits) : fault;
    } finally {
      growth.stop();
    }
  }
}

function prlimit({ cpuSeconds, memoryBytes, fileBytes, processes }: Limits): string[] {
  return [
    requireTool('prlimit'),
    `--cpu=${cpuSeconds}:${cpuSeconds + LAST_CPU_SECONDS}`,
    `--as=${memoryBytes}`,
    `--fsize=${fileBytes}`,
    `--nproc=${processes}`,
    '--core=0',
    '--',
  ];
}

type Growth = { signal: AbortSignal; stop: () => void };

/** Its signal comes when the folders have together become larger by more than that. */
function watchGrowth(paths: readonly string[], maxBytes: number): Growth {
  const tooMuch = new AbortController();
  if (paths.length === 0 || maxBytes === Number.POSITIVE_INFINITY) return { signal: tooMuch.signal, stop: () => {} };
  const before = sizeOf(paths);
  let isLooking = false;
  const timer = setInterval(async () => {
    if (isLooking) return;
    isLooking = true;
    if ((await sizeOf(paths)) - (await before) > maxBytes) tooMuch.abort();
    isLooking = false;
  }, GROWTH_INTERVAL_MS);
  return { signal: tooMuch.signal, stop: () => clearInterval(timer) };
}

async function sizeOf(paths: readonly string[]): Promise<number> {
  let sizeBytes = 0;
  for (const path of paths) {
    const below = await readdir(path, { recursive: true }).catch(() => []); // a file, or it is gone again
    for (const name of ['', ...below]) sizeBytes += await allocatedBytes(join(path, name));
  }
  return sizeBytes;
}

/** Behind walls a signal comes out as an exit code, 128 and its number. */
function inItsOwnName(argv: readonly string[], fault: ProcessFailure, limits: Limits): ProcessFailure {
  const { code, stderr } = fault;
  const signal = fault.signal ?? signalOf(code);
  const overLimit = fault.overLimit ?? (signal && overLimitBy(signal, limits));
  return new ProcessFailure(argv, { code: signal ? null : code, signal, stderr, overLimit });
}

function overLimitBy(signal: NodeJS.Signals, { cpuSeconds, fileBytes }: Limits): string | null {
  if (signal === 'SIGXCPU') return `needed more than ${cpuSeconds} s of the processor`;
  if (signal === 'SIGXFSZ') return `wrote a file of more than ${formatSize(fileBytes)}`;
  return null;
}

function signalOf(code: number | null): NodeJS.Signals | null {
  const found = Object.entries(constants.signals).find(([, number]) => number + 128 === code);
  return (found?.[0] as NodeJS.Signals | undefined) ?? null;
}
