import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmId } from '@banger/contract/names.ts';
import type { MachinePlan } from '../hypervisor.ts';
import { planArguments, planConfig } from './plan-config.ts';

const PLAN: MachinePlan = {
  vmId: '0123456789ab' as VmId,
  runtimeFolder: '/run/vm',
  cpus: 3,
  memoryBytes: 2 ** 30,
  kernelPath: '/vmlinux',
  initramfsPath: '/initramfs',
  kernelArguments: ['console=ttyS0', 'quiet', 'panic=-1'],
  drives: [
    { path: '/base.img', readOnly: true },
    { path: '/disk', readOnly: false },
  ],
  network: { by: 'tap', device: 'tap0' },
  consolePath: '/console.log',
  logPath: '/hypervisor.log',
};

test('the kernel gets its arguments, and those by which a guest ends its machine', () => {
  assert.deepEqual(planConfig(PLAN)['boot-source'], {
    kernel_image_path: '/vmlinux',
    initrd_path: '/initramfs',
    boot_args: 'console=ttyS0 quiet panic=-1 reboot=k i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd',
  });
});

test('drives keep their order, none of them is a root device, and flushes reach the disk', () => {
  const [base, disk] = planConfig(PLAN).drives;
  assert.deepEqual(base, {
    ...{ drive_id: 'drive0', path_on_host: '/base.img', is_root_device: false, is_read_only: true },
    ...{ cache_type: 'Writeback', io_engine: 'Sync' },
  });
  assert.deepEqual([disk?.path_on_host, disk?.is_read_only, disk?.cache_type], ['/disk', false, 'Writeback']);
});

test('an odd number of cpus is given as it is, since there are no threads, and memory in whole MiB', () => {
  assert.deepEqual(planConfig({ ...PLAN, memoryBytes: 2 ** 28 + 1 })['machine-config'], {
    ...{ vcpu_count: 3, mem_size_mib: 257, smt: false },
  });
});

test('a command line that the kernel would cut is refused', () => {
  const long = (bytes: number) => ({ ...PLAN, kernelArguments: [`banger.boot=${'x'.repeat(bytes)}`] });
  assert.equal(planConfig(long(1600))['boot-source'].boot_args.length, 1671);
  assert.throws(() => planConfig(long(1700)), { code: 'DRIVER_LIMIT', message: /command line would have 1771/ });
});

test('a network is a tap, one that is there or the one of a stream; a vm without one has no interface', () => {
  assert.deepEqual(planConfig(PLAN)['network-interfaces'], [
    { iface_id: 'eth0', host_dev_name: 'tap0', guest_mac: '52:54:00:12:34:56' },
  ]);
  const stream = planConfig({ ...PLAN, network: { by: 'stream', socketPath: '/run/vm/network.sock' } });
  assert.equal(stream['network-interfaces'][0]?.host_dev_name, 'fc0');
  assert.deepEqual(planConfig({ ...PLAN, network: null })['network-interfaces'], []);
});

test('the line to the agent has a relative path, which is short enough wherever the run is', () => {
  assert.deepEqual(planConfig(PLAN).vsock, { guest_cid: 3, uds_path: 'v.sock' });
});

test('the process can be told by its vm, and by where it runs', () => {
  const argv = planArguments(PLAN);
  assert.deepEqual(argv.slice(0, 2), ['--id', '0123456789ab']);
  assert.deepEqual(argv.slice(-2), ['--api-sock', '/run/vm/vmm/api.sock']);
});
