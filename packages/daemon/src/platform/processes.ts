/**
 * Processes of the host, read from /proc.
 *
 * A pid alone names nothing, since pids are used again: a ProcessRef carries the start time too. What a dead daemon left
 * behind is found by started.ts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BangerError } from '@banger/contract/errors.ts';

/** What a killed process may take to give back gigabytes of memory on a busy host, and more */
const KILL_LIMIT_MS = 60_000;
/** As the kernel counts for everybody, whatever its own clock is */
const TICKS_PER_SECOND = 100;
/** More than one takes that does not wait for a disk */
const STOP_LIMIT_MS = 1000;

/** `startTicks` is field 22 of /proc/<pid>/stat: clock ticks since boot */
export type ProcessRef = { pid: number; startTicks: number };

export function readProcessRef(pid: number): ProcessRef | null {
  const stat = readStat(pid);
  return stat === null || hasEnded(stat) ? null : { pid, startTicks: stat.startTicks };
}

export function isAlive(ref: ProcessRef): boolean {
  return readProcessRef(ref.pid)?.startTicks === ref.startTicks;
}

/** Null when it has ended. */
export function readParent(pid: number): number | null {
  return readStat(pid)?.parent ?? null;
}

/** What a process has taken so far. `readBytes` and `writtenBytes`: from and to drives; null where the host does not count */
export type ProcessUsage = {
  cpuMs: number;
  residentBytes: number;
  readBytes: number | null;
  writtenBytes: number | null;
};

/** Null when it has ended. */
export function readUsage(ref: ProcessRef): ProcessUsage | null {
  const stat = readStat(ref.pid);
  if (stat?.startTicks !== ref.startTicks || hasEnded(stat)) return null;
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readOf(ref.pid, 'status'))?.[1];
  if (resident === undefined) return null; // it has ended since
  const io = readOf(ref.pid, 'io');
  const bytesOf = (name: string) => {
    const found = new RegExp(`^${name}: (\\d+)$`, 'm').exec(io)?.[1];
    return found === undefined ? null : Number(found);
  };
  return {
    cpuMs: (stat.cpuTicks * 1000) / TICKS_PER_SECOND,
    residentBytes: Number(resident) * 1024,
    ...{ readBytes: bytesOf('read_bytes'), writtenBytes: bytesOf('write_bytes') },
  };
}

/** The living processes of this user, other than this one, of which `isWanted`. */
export function listProcesses(isWanted: (process: { argv: string[] }) => boolean): ProcessRef[] {
  const found: ProcessRef[] = [];
  for (const pid of listPids()) {
    if (pid === process.pid || !isWanted({ argv: readArguments(pid) })) continue;
    const ref = readProcessRef(pid);
    if (ref && readUid(pid) === process.getuid?.()) found.push(ref);
  }
  return found;
}

/** The living processes of a group, which has the number of its first process. */
export function listGroup(group: number): ProcessRef[] {
  return listByStat((stat) => stat.group === group);
}

function listByStat(isWanted: (stat: Stat) => boolean): ProcessRef[] {
  return listPids().flatMap((pid) => {
    const stat = readStat(pid);
    return stat && !hasEnded(stat) && isWanted(stat) ? [{ pid, startTicks: stat.startTicks }] : [];
  });
}

function listPids(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
}

/** Those of which an argument contains `text`: for tests, which know that nobody else names their folders. */
export function findByArgument(text: string): ProcessRef[] {
  return listProcesses(({ argv }) => argv.some((argument) => argument.includes(text)));
}

/** SIGKILL, and wait until the kernel has let go of it. Safe to repeat. Throws PROCESS_STUCK. */
export async function killProcess(ref: ProcessRef): Promise<void> {
  signalProcess(ref, 'SIGKILL');
  await waitForExit(ref, KILL_LIMIT_MS);
}

/**
 * Ends a process and all that it has started, and that these have started in turn, in whatever group or session. Throws
 * PROCESS_STUCK, when all of them were told.
 */
export async function killTree(ref: ProcessRef): Promise<void> {
  const tree = await stopTree(ref);
  for (const each of tree) signalInTree(each, 'SIGKILL');
  await Promise.all(tree.map((each) => waitForExit(each, KILL_LIMIT_MS)));
}

/** From the top on, and none is looked at for its children before it is stopped: what it was just starting is there then. */
async function stopTree(ref: ProcessRef): Promise<ProcessRef[]> {
  const isStopping = signalInTree(ref, 'SIGSTOP');
  if (isStopping) await waitUntil(ref, () => isStopped(ref), STOP_LIMIT_MS).catch(() => {}); // it waits for a disk
  const children = listByStat(({ parent }) => parent === ref.pid);
  return [ref, ...(await Promise.all(children.map(stopTree))).flat()];
}

/** False also for one that has become another user in a namespace: it ends with that. */
function signalInTree(ref: ProcessRef, signal: NodeJS.Signals): boolean {
  try {
    return signalProcess(ref, signal);
  } catch {
    return false;
  }
}

/** Whether a signal has stopped it. */
export function isStopped(ref: ProcessRef): boolean {
  return isAlive(ref) && readStat(ref.pid)?.state === 'T';
}

/** False when it no longer runs. */
export function signalProcess(ref: ProcessRef, signal: NodeJS.Signals): boolean {
  if (!isAlive(ref)) return false;
  try {
    return process.kill(ref.pid, signal);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw fault;
  }
}

export function waitForExit(ref: ProcessRef, limitMs = Number.POSITIVE_INFINITY): Promise<void> {
  return waitUntil(ref, () => false, limitMs);
}

// A process that is not our child gives no event when it ends (Node has no pidfd), so this looks again.
async function waitUntil(ref: ProcessRef, isReached: () => boolean, limitMs: number): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  for (let pauseMs = 1; isAlive(ref) && !isReached(); pauseMs = Math.min(pauseMs * 2, 50)) {
    if (performance.now() > deadlineMs) throw stuck(ref, limitMs);
    await delay(pauseMs);
  }
}

function stuck({ pid }: ProcessRef, limitMs: number): BangerError {
  return new BangerError('PROCESS_STUCK', {
    message: `Process ${pid} was killed, and the kernel has not let go of it for ${limitMs / 1000} s.`,
    hint: `It waits for a disk, mostly one behind a network; "cat /proc/${pid}/stack" as root tells. Try again when that answers.`,
    details: { pid },
  });
}

type Stat = { state: string; parent: number; group: number; threads: number; startTicks: number; cpuTicks: number };

// The first thread of a process can be a zombie while others still hold its files, its locks and its memory.
function hasEnded({ state, threads }: Stat): boolean {
  return state === 'Z' && threads <= 1;
}

function readStat(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent, group] = fields;
    const [threads, startTicks] = [Number(fields[17]), Number(fields[19])];
    const cpuTicks = Number(fields[11]) + Number(fields[12]); // in its own code and in the kernel
    return { state, parent: Number(parent), group: Number(group), threads, startTicks, cpuTicks };
  } catch {
    return null; // it ended
  }
}

function readArguments(pid: number): string[] {
  return readOf(pid, 'cmdline').split('\0').slice(0, -1);
}

/** Empty when it has ended, or is another user's. */
function readOf(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

// The owner of /proc/<pid> would be root for one that lets nobody look into it, as passt does.
function readUid(pid: number): number {
  return Number(/^Uid:\s+(\d+)/m.exec(readOf(pid, 'status'))?.[1]);
}
