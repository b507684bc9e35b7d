import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmId } from '@banger/contract/names.ts';
import type { MachinePlan } from '../hypervisor.ts';
import { planArguments } from './plan-arguments.ts';

const PLAN: MachinePlan = {
  vmId: '0123456789ab' as VmId,
  runtimeFolder: '/run/vm',
  cpus: 3,
  memoryBytes: 2 ** 30,
  kernelPath: '/vmlinux',
  initramfsPath: '/initramfs',
  kernelArguments: ['console=ttyS0', 'quiet'],
  drives: [
    { path: '/base.img', readOnly: true },
    { path: '/a,b/disk', readOnly: false },
  ],
  network: { by: 'stream', socketPath: '/run/a,b/network.sock' },
  consolePath: '/console.log',
  logPath: '/qemu.log',
};

test('without KVM the machine is a q35 with PCI devices, with it a microvm', () => {
  const [tcg, kvm] = [planArguments(PLAN, 'tcg'), planArguments(PLAN, 'kvm')];
  assert.match(optionOf(tcg, '-machine'), /^q35,/);
  assert.equal(optionOf(tcg, '-accel'), 'tcg,thread=multi');
  assert.match(optionOf(kvm, '-machine'), /^microvm,accel=kvm,acpi=on/);
  assert.equal(
    devices(tcg).some((device) => /-device[,$]/.test(device)),
    false,
  );
  assert.equal(
    devices(kvm).some((device) => device.includes('-pci')),
    false,
  );
});

test('only without KVM the kernel does not count the interrupts of its timer', () => {
  assert.equal(optionOf(planArguments(PLAN, 'tcg'), '-append'), 'console=ttyS0 quiet no_timer_check');
  assert.equal(optionOf(planArguments(PLAN, 'kvm'), '-append'), 'console=ttyS0 quiet');
});

test('the process can be told by its vm and is confined', () => {
  const argv = planArguments(PLAN, 'tcg');
  assert.equal(optionOf(argv, '-name'), 'guest=banger-0123456789ab');
  assert.equal(optionOf(argv, '-uuid'), '00000000-0000-4000-8000-0123456789ab');
  assert.match(optionOf(argv, '-sandbox'), /^on,.*elevateprivileges=deny,spawn=deny/);
  assert.equal(argv.includes('-no-reboot') && argv.includes('-nodefaults') && argv.includes('-no-user-config'), true);
});

test('drives keep their order; the base cannot be written, the disk honours flushes and gives space back', () => {
  const [base, disk] = planArguments(PLAN, 'tcg').filter((argument) => argument.startsWith('if=none'));
  assert.match(base ?? '', /file=\/base\.img,.*readonly=on/);
  assert.match(disk ?? '', /file=\/a,,b\/disk,format=raw,cache=writeback,readonly=off,discard=unmap,werror=enospc/);
});

test('a network comes over a socket, or by a device of the host that no script touches', () => {
  assert.equal(
    optionOf(planArguments(PLAN, 'tcg'), '-netdev'),
    'stream,id=net,server=off,addr.type=unix,addr.path=/run/a,,b/network.sock',
  );
  const tap = planArguments({ ...PLAN, network: { by: 'tap', device: 'tap0' } }, 'kvm');
  assert.equal(optionOf(tap, '-netdev'), 'tap,id=net,ifname=tap0,script=no,downscript=no');
});

test('a vm without a network has no network device', () => {
  const argv = planArguments({ ...PLAN, network: null }, 'tcg');
  assert.equal(argv.includes('-netdev'), false);
  assert.equal(
    devices(argv).some((device) => device.includes('net')),
    false,
  );
});

test('the control socket is made last: when it is there the others are', () => {
  const ids = planArguments(PLAN, 'tcg').flatMap((argument) => /^socket,id=(\w+)/.exec(argument)?.[1] ?? []);
  assert.deepEqual(ids, ['console', 'agent', 'qmp']);
});

function optionOf(argv: string[], option: string): string {
  return argv[argv.indexOf(option) + 1] as string;
}

function devices(argv: string[]): string[] {
  return argv.filter((_argument, index) => argv[index - 1] === '-device');
}
