/** Whether KVM runs guests, as a guest that was tried on it has shown: a device that opens proves nothing. */
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import type { Check } from '@banger/contract/api/doctor.ts';
import type { DriverName } from '@banger/contract/api/vms.ts';
import { kvmVerdictPath, readKvmVerdict } from '../hypervisor/prove-kvm.ts';
import { readBootId } from '../platform/host.ts';
import { pass, warn } from './check.ts';

export type KvmFacts = {
  device: 'usable' | 'forbidden' | 'absent';
  /** What the processor offers */
  extension: 'vmx' | 'svm' | null;
  /** Whether a guest ran on it since the host booted, with one of the drivers as they are; null when none was tried */
  works: boolean | null;
};

/** `version` is that of the driver's program now; null where it has none. Null when no guest was tried since this boot. */
export async function readTrial(
  cacheFolder: string,
  driver: DriverName,
  version: string | null,
): Promise<boolean | null> {
  const verdict = await readKvmVerdict(kvmVerdictPath(cacheFolder, driver));
  return verdict?.bootId === readBootId() && verdict.version === version ? verdict.works : null;
}

/** `trials` is what each driver has found out. */
export async function findKvm(trials: readonly (boolean | null)[], device = '/dev/kvm'): Promise<KvmFacts> {
  return {
    device: await tryDevice(device),
    extension: await readExtension(),
    works: trials.includes(true) || (trials.includes(false) ? false : null),
  };
}

export function judgeKvm({ device, extension, works }: KvmFacts): Check {
  const emulated = 'so vms are emulated, which is several times slower';
  if (device === 'absent') {
    const fix = extension && `sudo modprobe ${extension === 'vmx' ? 'kvm_intel' : 'kvm_amd'}`;
    const why = extension ? 'its kernel module is not loaded' : 'this machine does not offer virtualisation';
    return warn('kvm', `there is no /dev/kvm (${why}), ${emulated}`, fix);
  }
  if (device === 'forbidden') {
    return warn('kvm', `this user may not open /dev/kvm, ${emulated}`, 'sudo usermod -aG kvm "$USER"');
  }
  if (works === true) return pass('kvm', 'a guest ran on it since this host booted');
  if (works === false) return warn('kvm', `/dev/kvm opens, but a guest that was tried did not run on it, ${emulated}`);
  return warn('kvm', '/dev/kvm opens, but no guest was tried on it yet', 'banger doctor --boot');
}

async function tryDevice(path: string): Promise<KvmFacts['device']> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return 'usable';
  } catch (fault) {
    return (fault as NodeJS.ErrnoException).code === 'ENOENT' ? 'absent' : 'forbidden';
  }
}

async function readExtension(): Promise<KvmFacts['extension']> {
  const flags = /^flags\s*:(.*)$/m.exec(await readFile('/proc/cpuinfo', 'utf8'))?.[1]?.split(' ') ?? [];
  return flags.includes('vmx') ? 'vmx' : flags.includes('svm') ? 'svm' : null;
}
