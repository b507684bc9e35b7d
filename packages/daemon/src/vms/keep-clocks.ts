/**
 * Tells running guests what time it is: their clocks stand still while the host sleeps or a machine is stopped.
 *
 * Every guest is told now and then, and all at once when this host's own clock has jumped, as it does when a laptop wakes
 * up. What is to be done with it the guest's agent decides (`clock.rs`).
 */
import type { Guest } from '../guest/guest.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';

const LOOK_EVERY_MS = 5000;
const TELL_EVERY_MS = 20_000;
/** The wall clock may run away from the monotonic one by so much between two looks */
const TOLERATED_JUMP_MS = 1000;
const ANSWER_LIMIT_MS = 10_000;

type Parts = {
  listRunning: () => VmRecord[];
  guest: (task: Task, vm: VmRecord) => Promise<Guest>;
  now: () => Date;
  monotonicMs: () => number;
  log: Log;
};

export function createClockKeeper({ listRunning, guest, now, monotonicMs, log }: Parts) {
  const asking = new Set<VmRecord['id']>();
  /** Those whose silence is in the log already */
  const silent = new Set<VmRecord['id']>();
  let timer: NodeJS.Timeout | null = null;
  let apartMs = 0;
  let toldMs = 0;
  return { begin, end, tell, look };

  function begin(): void {
    apartMs = now().getTime() - monotonicMs();
    timer = setInterval(look, LOOK_EVERY_MS).unref();
    tellAll();
  }

  function end(): void {
    if (timer) clearInterval(timer);
  }

  /** What the timer does. */
  function look(): void {
    const nowApartMs = now().getTime() - monotonicMs();
    const hasJumped = Math.abs(nowApartMs - apartMs) > TOLERATED_JUMP_MS;
    apartMs = nowApartMs;
    if (hasJumped || monotonicMs() - toldMs >= TELL_EVERY_MS) tellAll();
  }

  function tellAll(): void {
    toldMs = monotonicMs();
    for (const vm of listRunning()) void tell(vm);
  }

  /** A guest that does not answer is told again later. */
  async function tell(vm: VmRecord): Promise<void> {
    if (asking.has(vm.id)) return;
    asking.add(vm.id);
    try {
      const task = Task.background().within(ANSWER_LIMIT_MS);
      const asked = await guest(task, vm);
      await asked.followClock(task, now().getTime());
      silent.delete(vm.id);
    } catch (fault) {
      if (!silent.has(vm.id)) log.warn(`vm ${vm.name} could not be told the time`, fault);
      silent.add(vm.id);
    } finally {
      asking.delete(vm.id);
    }
  }
}
