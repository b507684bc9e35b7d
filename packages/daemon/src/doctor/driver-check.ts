/** Which hypervisor a new vm gets on this host, and why. */
import type { Check } from '@banger/contract/api/doctor.ts';
import type { DriverChoice } from '@banger/contract/api/vms.ts';
import { fail, pass, warn } from './check.ts';
import { type Firecracker, PULL } from './firecracker-check.ts';
import type { KvmFacts } from './kvm-check.ts';

type Found = {
  wanted: DriverFacts['wanted'];
  firecracker: Firecracker;
  trial: boolean | null;
  device: KvmFacts['device'];
};

/** `trial` is what the one that auto prefers has found out about KVM. */
export function findDriver({ wanted, firecracker: { path, answer }, trial, device }: Found): DriverFacts {
  if (path === null) return obstacle('Firecracker is not here', PULL);
  if ('fault' in answer) return obstacle(answer.fault, `${PULL} --force`);
  if (device !== 'usable') return obstacle('KVM cannot be used', null);
  if (trial === false) return obstacle('KVM did not run the guest that was tried', null);
  return { wanted, firecracker: trial ? 'works' : 'untried' };

  function obstacle(why: string, fix: string | null): DriverFacts {
    return { wanted, firecracker: { why, fix } };
  }
}

type DriverFacts = {
  /** What the config says; null where it cannot be read */
  wanted: DriverChoice | null;
  /** Of the one that auto prefers */
  firecracker: 'works' | 'untried' | { why: string; fix: string | null };
};

export function judgeDriver({ wanted, firecracker }: DriverFacts): Check {
  if (wanted === null) return warn('driver', 'which one new vms want is in the config, which cannot be read');
  if (wanted === 'qemu') return pass('driver', 'new vms get qemu, as the config says');
  const by = wanted === 'auto' ? 'auto' : 'as the config says';
  if (firecracker === 'works')
    return pass('driver', `new vms get firecracker (${by}): it ran a guest since this host booted`);
  if (firecracker === 'untried') {
    const otherwise = wanted === 'auto' ? 'else qemu' : 'else none';
    return pass('driver', `new vms get firecracker (${by}) if the first guest that is tried on it runs, ${otherwise}`);
  }
  if (wanted === 'auto') return pass('driver', `new vms get qemu (${by}): ${firecracker.why}`);
  return fail('driver', `new vms want firecracker (${by}), which runs none: ${firecracker.why}`, firecracker.fix);
}
