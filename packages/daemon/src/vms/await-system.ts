/** From an agent that answers to an init that has started all that it starts at boot. */
import { BangerError } from '@banger/contract/errors.ts';
import type { Guest } from '../guest/guest.ts';
import { deadlineAfter } from '../platform/deadline.ts';
import type { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';

/** systemd gives up on a service after a minute and a half, and on some only one after the other */
const LIMIT_MS = 300_000;

/** Throws VM_BOOT_TIMEOUT or VM_LOST; the vm runs on, so that one can look why. */
export async function awaitSystem(task: Task, vm: VmRecord, guest: Guest, limitMs = LIMIT_MS): Promise<void> {
  const { name, ephemeral } = vm;
  task.step('wait for the system');
  const deadline = deadlineAfter(limitMs);
  try {
    await guest.untilInitReady(task.withSignal(deadline));
  } catch (thrown) {
    if (task.signal.aborted) {
      const what = `Waiting for the system of "${name}" was given up`;
      throw new BangerError('CANCELLED', { message: ephemeral ? `${what}.` : `${what}; the vm runs on.` });
    }
    if (!deadline.aborted) throw thrown;
    throw new BangerError('VM_BOOT_TIMEOUT', {
      message: `"${name}" runs, but its init has not said within ${limitMs / 1000} s that it has finished its boot.`,
      hint: `systemd tells what it waits for: banger vm exec ${name} -- systemctl list-jobs`,
      cause: thrown,
    });
  }
}
