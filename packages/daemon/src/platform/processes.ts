/**
 * Processes of the host, read from /proc.
 *
 * A pid alone names nothing, since pids are used again: a ProcessRef carries the start time too. Everything that banger
 * leaves running carries its vm's folder in its arguments, so that what a dead daemon left behind can be found.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** `startTicks` is field 22 of /proc/<pid>/stat: clock ticks since boot */
export type ProcessRef = { pid: number; startTicks: number };

export function readProcessRef(pid: number): ProcessRef | null {
  const stat = readStat(pid);
  return stat === null || hasEnded(stat) ? null : { pid, startTicks: stat.startTicks };
}

export function isAlive(ref: ProcessRef): boolean {
  return readProcessRef(ref.pid)?.startTicks === ref.startTicks;
}

/** The living processes of which an argument contains `text`. */
export function findByArgument(text: string): ProcessRef[] {
  const found: ProcessRef[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const pid = Number(entry);
    if (pid === process.pid || !readArguments(pid).some((argument) => argument.includes(text))) continue;
    const ref = readProcessRef(pid);
    if (ref) found.push(ref);
  }
  return found;
}

/** SIGKILL, and wait until the kernel has let go of it. Safe to repeat. */
export async function killProcess(ref: ProcessRef): Promise<void> {
  signalProcess(ref, 'SIGKILL');
  await waitForExit(ref);
}

/** False when it no longer runs. */
function signalProcess(ref: ProcessRef, signal: NodeJS.Signals): boolean {
  if (!isAlive(ref)) return false;
  try {
    return process.kill(ref.pid, signal);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw fault;
  }
}

// A process that is not our child gives no event when it ends (Node has no pidfd), so this looks again.
export async function waitForExit(ref: ProcessRef): Promise<void> {
  for (let pauseMs = 1; isAlive(ref); pauseMs = Math.min(pauseMs * 2, 50)) await delay(pauseMs);
}

type Stat = { state: string; threads: number; startTicks: number };

// The first thread of a process can be a zombie while others still hold its files, its locks and its memory.
function hasEnded({ state, threads }: Stat): boolean {
  return state === 'Z' && threads <= 1;
}

function readStat(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] as string, threads: Number(fields[17]), startTicks: Number(fields[19]) };
  } catch {
    return null; // it ended
  }
}

function readArguments(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // it ended, or it is another user's
  }
}
