/**
 * Stops vms that nobody has used for as long as the config says; off unless it says so.
 *
 * One timer, set for the first vm that is due. Only then is its agent asked whether a detached command runs, which counts
 * as use. A vm whose agent does not answer goes on: better one that runs too long than work that is lost. After the daemon
 * starts, every vm has the whole time again.
 */
import type { VmId } from '@banger/contract/names.ts';
import type { Guest } from '../guest/guest.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import type { Activity } from './activity.ts';
import { nextLookMs, planIdleStop } from './idle-plan.ts';

const ANSWER_LIMIT_MS = 10_000;
const SHUTDOWN_LIMIT_MS = 60_000;

type Parts = {
  activity: Activity;
  /** Null is never. Throws CONFIG_INVALID. */
  readLimitMs: () => Promise<number | null>;
  list: () => VmRecord[];
  guest: (task: Task, vm: VmRecord) => Promise<Guest>;
  stop: (task: Task, id: string, timeoutMs: number) => Promise<unknown>;
  /** See activity.ts */
  monotonicMs: () => number;
  now: () => Date;
  log: Log;
};

export function createIdleStop({ activity, readLimitMs, list, guest, stop, monotonicMs, now, log }: Parts) {
  let timer: NodeJS.Timeout | null = null;
  let timerDueMs = Number.POSITIVE_INFINITY;
  let hasEnded = false;
  const stopping = new Set<VmId>();
  return { begin, end, stopsAt };

  /** From now on until `end`. */
  function begin(): void {
    activity.onChange(() => void arm());
    void arm();
  }

  function end(): void {
    hasEnded = true;
    if (timer) clearTimeout(timer);
  }

  /** When a vm stops unless somebody uses it, as an ISO time. */
  async function stopsAt(vm: VmRecord): Promise<string | null> {
    const dueMs = dueOf(vm, await limitOrNever());
    return dueMs === null ? null : new Date(now().getTime() + dueMs - monotonicMs()).toISOString();
  }

  async function arm(): Promise<void> {
    const limitMs = await limitOrNever();
    const due = list().flatMap((vm) => dueOf(vm, limitMs) ?? []);
    const dueMs = monotonicMs() + nextLookMs(due, monotonicMs());
    if (hasEnded || (timer && timerDueMs <= dueMs)) return;
    if (timer) clearTimeout(timer);
    timerDueMs = dueMs;
    timer = setTimeout(() => void look(), dueMs - monotonicMs()).unref();
  }

  async function look(): Promise<void> {
    timer = null;
    const limitMs = await limitOrNever();
    const due = list().filter((vm) => (dueOf(vm, limitMs) ?? Number.POSITIVE_INFINITY) <= monotonicMs());
    for (const vm of due) void stopIfIdle(vm, limitMs);
    await arm();
  }

  async function stopIfIdle(vm: VmRecord, limitMs: number | null): Promise<void> {
    if (stopping.has(vm.id)) return;
    stopping.add(vm.id);
    try {
      if (await hasSession(vm)) activity.touch(vm.id);
      // Somebody may have come while the agent was asked.
      else if ((dueOf(vm, limitMs) ?? Number.POSITIVE_INFINITY) <= monotonicMs()) {
        log.info(`vm ${vm.name} was idle and is stopped`);
        await stop(Task.background(), vm.id, SHUTDOWN_LIMIT_MS);
      }
    } catch (fault) {
      activity.touch(vm.id);
      log.warn(`vm ${vm.name} is idle and could not be stopped`, fault);
    } finally {
      stopping.delete(vm.id);
    }
  }

  async function hasSession(vm: VmRecord): Promise<boolean> {
    const task = Task.background().within(ANSWER_LIMIT_MS);
    const sessions = await (await guest(task, vm)).sessions(task);
    return sessions.some(({ exit }) => exit === null);
  }

  function dueOf({ id, state }: VmRecord, limitMs: number | null): number | null {
    if (state.is !== 'running') return null;
    return planIdleStop({ limitMs, idleSinceMs: activity.idleSinceMs(id) });
  }

  /** A broken config stops no vm. */
  async function limitOrNever(): Promise<number | null> {
    return readLimitMs().catch(() => null);
  }
}
