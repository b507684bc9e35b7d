/**
 * Starts a hypervisor behind walls: a guest that breaks out of it finds what the vm was made of, and nothing of yours.
 *
 * It sees its program and the host's libraries, what it is given, and a folder of its own for its sockets. It has no
 * network, no other process and no power, and leaves no core. It is the first process of its own world, so that all of it
 * ends with it; bubblewrap only waits for that, and nothing is lost when somebody ends bubblewrap. Unlike other programs
 * behind walls it outlives the daemon. Its memory and its threads are bounded where systemd can do that. Where a host gives
 * no walls or no bounds, it runs without them.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { z } from 'zod';
import { makePrivateFolder } from '../platform/files.ts';
import { requireTool } from '../platform/find-tool.ts';
import {
  killProcess,
  killTree,
  type ProcessRef,
  readParent,
  readProcessRef,
  waitForExit,
} from '../platform/processes.ts';
import { removeRun } from '../platform/remove-run.ts';
import { type ProcessOutputs, type StartedProcess, startProcess } from '../platform/run-process.ts';
import { type Bounds, beginInScope, HOST_SCOPES, type Scope, type Scopes } from '../platform/scope.ts';
import { findStarted } from '../platform/started.ts';
import type { Task } from '../platform/task.ts';
import { HOST_WALLS, isInHostView, type View, type Walls } from '../platform/walls.ts';

/** More than its sockets, devices and drives take; Firecracker fills a table of this size when it starts */
const MAX_OPEN_FILES = 2048;
const GIB = 2 ** 30;
/**
 * Besides the guest's memory: code that was translated for want of KVM, 1 GiB at most, devices, buffers and tables. More than
 * any healthy one takes, since the kernel ends what takes more.
 */
const OWN_MEMORY_BYTES = 2 * GIB;
/** Besides one for each processor: for drives, 64 at most, and single ones */
const OWN_THREADS = 256;
/** What bubblewrap takes to see that the hypervisor has ended */
const LAST_WORDS_MS = 1000;

type VmmPlan = Pick<View, 'readable' | 'writable' | 'devices' | 'ownsNetwork'> & {
  runtimeFolder: string;
  outputs: ProcessOutputs;
  /** The guest's */
  cpus: number;
  memoryBytes: number;
};

/** A hypervisor's process, whichever daemon started it */
export type Vmm = {
  ref: ProcessRef;
  /** Resolves once neither it nor anything around it is left */
  untilGone(): Promise<void>;
  /** Ends it and waits until it is gone. Safe to repeat. */
  kill(): Promise<void>;
};

/** `exited`: once it has ended while this daemon lives; a signal that ended it may be a code, 128 and its number */
export type StartedVmm = Vmm & Pick<StartedProcess, 'exited'>;

/** `ref`: of the hypervisor itself; null when it did not begin */
type Begun = { started: StartedProcess; ref: ProcessRef | null };

export type StartVmm = (task: Task, argv: readonly string[], plan: VmmPlan) => Promise<StartedVmm>;

/**
 * The only folder of a run that its hypervisor sees: what is in it may be whatever a guest that broke out has put there.
 * Its name is short, since the paths of sockets are limited to 107 bytes.
 */
export function ownFolder(runtimeFolder: string): string {
  return `${runtimeFolder}/vmm`;
}

/** Makes it anew and empty. */
export async function makeOwnFolder(runtimeFolder: string): Promise<void> {
  await removeRun(ownFolder(runtimeFolder));
  await makePrivateFolder(ownFolder(runtimeFolder));
}

type ShutInParts = {
  /** What a test's hypervisor, a script, sees and changes besides */
  alsoSeen?: readonly string[];
  walls?: Walls;
  scopes?: Scopes;
};

export function createShutIn({ alsoSeen = [], walls = HOST_WALLS, scopes = HOST_SCOPES }: ShutInParts = {}): StartVmm {
  /** In its own folder, which is there. Throws what startProcess throws; nothing of it is left then. */
  return async function startVmm(task, [tool = '', ...words], { runtimeFolder, outputs, cpus, memoryBytes, ...given }) {
    const program = requireTool(tool);
    const own = ownFolder(runtimeFolder);
    const view = {
      ...given,
      readable: [...filesOf(program), ...(given.readable ?? [])],
      writable: [own, ...alsoSeen, ...(given.writable ?? [])],
    };
    const around = await walls.around(task, view, ['--as-pid-1', '--chdir', own, '--info-fd', '3']);
    const bounds = boundsOf(cpus, memoryBytes);
    const { started, ref } = await beginInScope(task, scopes, bounds, startIn, (begun) => begun.ref !== null);
    if (ref === null || around.length === 0) return { ...handle(started.ref, null), exited: started.exited };
    const exited = started.exited.then(async (end) => {
      await waitForExit(ref); // somebody may have ended bubblewrap alone
      return end;
    });
    return { ...handle(ref, started.ref), exited };

    async function startIn({ words: scopeWords, env }: Scope): Promise<Begun> {
      const started = await startProcess([...scopeWords, ...limits(), ...around, program, ...words], {
        ...{ ...outputs, runFolder: runtimeFolder, cwd: own, env },
        hasReport: around.length > 0,
      });
      return { started, ref: around.length > 0 ? await readChild(task, started) : started.ref };
    }
  };
}

/** One that was installed elsewhere, or a link that leads there */
function filesOf(program: string): string[] {
  return [program, realpathSync(program)].filter((path) => !isInHostView(path));
}

/** One that an earlier daemon started, with or without walls. */
export function holdVmm({ runtimeFolder, pid, startTicks }: ProcessRef & { runtimeFolder: string }): Vmm {
  const parent = readParent(pid);
  const around = findStarted(runtimeFolder).find((found) => found.pid === parent);
  return handle({ pid, startTicks }, around ?? null);
}

function handle(ref: ProcessRef, around: ProcessRef | null): Vmm {
  return { ref, untilGone, kill };

  async function untilGone(): Promise<void> {
    await waitForExit(ref);
    if (around) await waitForExit(around, LAST_WORDS_MS).catch(() => killProcess(around)); // it does not see it
  }

  async function kill(): Promise<void> {
    await killProcess(ref);
    await untilGone();
  }
}

function boundsOf(cpus: number, memoryBytes: number): Bounds {
  return { memoryBytes: Math.ceil(memoryBytes * 1.125) + OWN_MEMORY_BYTES, processes: cpus + OWN_THREADS };
}

// A core would be the guest's memory in a file.
function limits(): string[] {
  return [
    requireTool('prlimit'),
    '--core=0',
    `--nofile=${planOpenFiles(readFileSync('/proc/self/limits', 'utf8'))}`,
    '--',
  ];
}

/** An ordinary user cannot raise its own limit. `limits` is /proc/<pid>/limits. */
export function planOpenFiles(limits: string): number {
  const own = Number(/^Max open files +\d+ +(\d+)/m.exec(limits)?.[1] ?? MAX_OPEN_FILES); // or "unlimited"
  return Math.min(own, MAX_OPEN_FILES);
}

const reportSchema = z.object({ 'child-pid': z.int().min(1) });

/**
 * Null when what comes before the hypervisor ended before that did anything; its words are in the log then. Throws CANCELLED.
 * In both cases nothing is left of it.
 */
async function readChild(task: Task, { ref, report }: StartedProcess): Promise<ProcessRef | null> {
  let child: ProcessRef | null = null;
  try {
    const text = await task.race(report);
    if (text !== '') child = readProcessRef(reportSchema.parse(JSON.parse(text))['child-pid']);
    return child;
  } finally {
    if (child === null) await killTree(ref); // not by their words, which one that just becomes another program has none of
  }
}
