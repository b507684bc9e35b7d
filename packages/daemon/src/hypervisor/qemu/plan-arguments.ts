/** Decides what QEMU is told: a finished plan and an accelerator in, arguments out. */
import type { VmId } from '@banger/contract/names.ts';
import type { Accel, Drive, MachineNetwork, MachinePlan, RefOf } from '../hypervisor.ts';
import { ownFolder } from '../shut-in.ts';

/** The id of the agent's port in QEMU's events */
export const AGENT_PORT = 'agent';

/** The sockets of one run, in QEMU's own folder. QEMU makes them all before it looks at its memory, `qmp` last. */
export type MachineSockets = { agent: string; console: string; qmp: string };

export function planArguments(plan: MachinePlan, accel: Accel): string[] {
  const sockets = machineSockets({ runtimeFolder: plan.runtimeFolder, hasOwnFolder: true });
  // On microvm every virtio device sits on MMIO, on q35 on PCI.
  const bus = accel === 'kvm' ? 'device' : 'pci,disable-legacy=on';
  return [
    ...machine(accel),
    ...['-name', `guest=banger-${plan.vmId}`, ...uuid(plan.vmId)],
    ...['-smp', `cpus=${plan.cpus}`, '-m', `${Math.ceil(plan.memoryBytes / 2 ** 20)}M`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-kernel', plan.kernelPath, '-initrd', plan.initramfsPath, '-append', kernelCommandLine(plan, accel)],
    ...socketChardev('console', sockets.console),
    ...['-serial', 'chardev:console'],
    ...socketChardev('agent', sockets.agent),
    ...['-device', `virtio-serial-${bus},id=ports,max_ports=2`],
    ...['-device', `virtserialport,bus=ports.0,chardev=agent,name=banger.agent,id=${AGENT_PORT}`],
    ...['-device', `virtio-rng-${bus}`],
    // The guest tells of pages that it has freed, and they are the host's again.
    ...['-device', `virtio-balloon-${bus},free-page-reporting=on`],
    ...plan.drives.flatMap((drive, index) => block(drive, index, bus)),
    ...(plan.network === null ? [] : network(plan.network, accel, bus)),
    ...socketChardev('qmp', sockets.qmp),
    ...['-mon', 'chardev=qmp,mode=control'],
  ];
}

export function machineSockets({
  runtimeFolder,
  hasOwnFolder,
}: Pick<RefOf<'qemu'>, 'runtimeFolder' | 'hasOwnFolder'>): MachineSockets {
  const socket = (name: string) =>
    hasOwnFolder ? `${ownFolder(runtimeFolder)}/${name}` : `${runtimeFolder}/${name}.sock`;
  return { agent: socket('agent'), console: socket('console'), qmp: socket('qmp') };
}

function machine(accel: Accel): string[] {
  if (accel === 'kvm') {
    return [
      ...['-machine', 'microvm,accel=kvm,acpi=on,rtc=on,auto-kernel-cmdline=off,dump-guest-core=off', '-cpu', 'host'],
      // The default is the interface from before virtio 1.0.
      ...['-global', 'virtio-mmio.force-legacy=false'],
    ];
  }
  // Not microvm: without KVM it has no timer to calibrate the clock by, and hangs at random at boot.
  return [
    '-machine',
    'q35,smm=off,usb=off,sata=off,vmport=off,dump-guest-core=off',
    '-accel',
    'tcg,thread=multi',
    '-cpu',
    'max',
  ];
}

/**
 * At its start a kernel counts timer interrupts against a loop, and panics when too few came, as they do under TCG when
 * a busy host lets the machine wait. With KVM the kernel decides that by itself.
 */
function kernelCommandLine({ kernelArguments }: MachinePlan, accel: Accel): string {
  return [...kernelArguments, ...(accel === 'tcg' ? ['no_timer_check'] : [])].join(' ');
}

function uuid(vmId: VmId): string[] {
  return /^[0-9a-f]{12}$/.test(vmId) ? ['-uuid', `00000000-0000-4000-8000-${vmId}`] : [];
}

/** A host may connect, leave and come back; with nobody there, what the guest writes is dropped. */
function socketChardev(id: string, path: string): string[] {
  return ['-chardev', `socket,id=${id},path=${escapeOption(path)},server=on,wait=off`];
}

// cache=writeback tells the guest of a write cache, so its flushes become fsync on the host file. On a full host disk
// the guest is paused and not given an error, which its filesystem would answer by throwing away data.
function block({ path, readOnly }: Drive, index: number, bus: string): string[] {
  const access = readOnly ? 'readonly=on' : 'readonly=off,discard=unmap,werror=enospc';
  const trim = readOnly ? '' : ',discard=on,write-zeroes=on';
  return [
    ...['-drive', `if=none,id=drive${index},file=${escapeOption(path)},format=raw,cache=writeback,${access}`],
    ...['-device', `virtio-blk-${bus},drive=drive${index}${trim}`],
  ];
}

function network(carrier: MachineNetwork, accel: Accel, bus: string): string[] {
  const noBootRom = accel === 'kvm' ? '' : ',romfile='; // the firmware would offer to boot from the network
  return [...['-netdev', netdev(carrier)], ...['-device', `virtio-net-${bus},netdev=net${noBootRom}`]];
}

function netdev(carrier: MachineNetwork): string {
  switch (carrier.by) {
    case 'stream':
      return `stream,id=net,server=off,addr.type=unix,addr.path=${escapeOption(carrier.socketPath)}`;
    case 'tap':
      return `tap,id=net,ifname=${escapeOption(carrier.device)},script=no,downscript=no`;
  }
}

/** In QEMU's option lists a comma ends a value, and two of them stand for one. */
function escapeOption(value: string): string {
  return value.replaceAll(',', ',,');
}
