/** Whether KVM runs guests, as a guest that was tried on it has shown: a device that opens proves nothing. */
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import type { Check } from '@banger/contract/api/doctor.ts';
import { readKvmVerdict } from '../hypervisor/prove-kvm.ts';
import { readBootId } from '../platform/host.ts';
import { pass, warn } from './check.ts';

export type KvmFacts = {
  device: 'usable' | 'forbidden' | 'absent';
  /** What the processor offers */
  extension: 'vmx' | 'svm' | null;
  /** Whether a guest ran on it since the host booted, with this QEMU; null when none was tried */
  works: boolean | null;
};

type KvmParts = { verdictPath: string; version: string | null; device?: string };

export async function checkKvm({ verdictPath, version, device = '/dev/kvm' }: KvmParts): Promise<Check[]> {
  const verdict = await readKvmVerdict(verdictPath);
  const holds = verdict?.bootId === readBootId() && verdict.version === version;
  const found = {
    device: await tryDevice(device),
    extension: await readExtension(),
    works: holds ? verdict.works : null,
  };
  return [judgeKvm(found)];
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
