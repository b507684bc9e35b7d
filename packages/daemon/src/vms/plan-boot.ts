/** Everything that a launch needs, decided from plain values. */
import type { BootConfig } from '@banger/contract/guest/messages.ts';
import type { Contribution } from '../capabilities/capability.ts';
import { driverWords } from '../hypervisor/driver-words.ts';
import type { DriverAbilities, MachinePlan } from '../hypervisor/hypervisor.ts';
import type { VmRecord } from '../store/records/vms.ts';

type BootParts = {
  vm: VmRecord;
  kernel: { vmlinuxPath: string; initramfsPath: string; modulesImagePath: string | null };
  imagePath: string;
  driver: Pick<DriverAbilities, 'agentLine' | 'endsBy'>;
  contributions: Contribution[];
  folders: { runtime: string; console: string; hypervisorLog: string };
  unixMs: number;
  /** Only to read its files */
  isStill?: boolean;
};

/** Drives in order: the image, what the capabilities bring (the disk first), the kernel's modules. */
export function planBoot(parts: BootParts): MachinePlan {
  const { vm, kernel, imagePath, driver, contributions, folders, unixMs, isStill = false } = parts;
  const drives = [{ path: imagePath, readOnly: true }, ...contributions.flatMap(({ drives }) => drives ?? [])];
  if (kernel.modulesImagePath) drives.push({ path: kernel.modulesImagePath, readOnly: true });
  const link = contributions.find(({ network }) => network !== undefined)?.network;
  const boot: BootConfig = {
    v: 2,
    hostname: vm.name,
    machineId: vm.machineId,
    imageDrives: [driveName(0)],
    diskDrive: driveName(1),
    modulesDrive: kernel.modulesImagePath ? driveName(drives.length - 1) : null,
    interfaces: link ? [link.guest] : [],
    unixMs,
    ...(isStill && { isStill }),
  };
  return {
    vmId: vm.id,
    runtimeFolder: folders.runtime,
    cpus: vm.cpus,
    memoryBytes: vm.memoryBytes,
    kernelPath: kernel.vmlinuxPath,
    initramfsPath: kernel.initramfsPath,
    kernelArguments: [...KERNEL_ARGUMENTS, ...driverWords(driver), `banger.boot=${encodeBootConfig(boot)}`],
    drives,
    network: link?.machine ?? null,
    consolePath: folders.console,
    logPath: folders.hypervisorLog,
  };
}

// Warnings and panics reach the console, which is a serial port and slow; a panic resets the machine, which ends it.
// net.ifnames=0 keeps eth0's name when the image's udev would change it.
const KERNEL_ARGUMENTS = 'console=ttyS0 quiet loglevel=4 panic=-1 cryptomgr.notests net.ifnames=0'.split(' ');

export function encodeBootConfig(config: BootConfig): string {
  return Buffer.from(JSON.stringify(config)).toString('base64url');
}

function driveName(index: number): string {
  return `vd${String.fromCharCode('a'.charCodeAt(0) + index)}`;
}
