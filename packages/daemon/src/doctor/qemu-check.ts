/** The hypervisor, and its version. */
import type { Check } from '@banger/contract/api/doctor.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { createQemuVersion } from '../hypervisor/qemu/qemu-version.ts';
import { Task } from '../platform/task.ts';
import { fail, pass } from './check.ts';

/** Its version takes 0.2 s; this is for a host that emulates a host */
const ANSWER_LIMIT_MS = 30_000;
const INSTALL = 'sudo apt-get install qemu-system-x86';

export async function checkQemu(
  qemuPath: string,
  limitMs = ANSWER_LIMIT_MS,
): Promise<{ check: Check; version: string | null }> {
  try {
    const task = Task.background().within(limitMs);
    const version = await createQemuVersion(qemuPath)(task);
    return { check: pass('qemu', `QEMU ${version}`), version };
  } catch (thrown) {
    const fix = isLate(thrown) ? null : INSTALL; // one that is slow is there
    return { check: fail('qemu', whyNoVersion(thrown, qemuPath, limitMs), fix), version: null };
  }
}

/** In words, without a full stop */
export function whyNoVersion(thrown: unknown, path: string, limitMs: number): string {
  return isLate(thrown)
    ? `${path} did not say its version within ${limitMs / 1000} s`
    : (thrown as Error).message.replace(/\.$/, '');
}

function isLate(thrown: unknown): boolean {
  return thrown instanceof BangerError && thrown.code === 'TIMED_OUT';
}
