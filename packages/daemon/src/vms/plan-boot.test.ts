import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { BootConfig } from '@banger/contract/guest/messages.ts';
import { parseVmName, type VmId } from '@banger/contract/names.ts';
import type { Contribution } from '../capabilities/capability.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { encodeBootConfig, planBoot } from './plan-boot.ts';

const vm = {
  id: '0123456789ab' as VmId,
  name: parseVmName('web'),
  cpus: 2,
  memoryBytes: 1024,
  machineId: 'a'.repeat(32),
} as VmRecord;
const parts = {
  vm,
  kernel: { vmlinuxPath: '/k/vmlinux', initramfsPath: '/k/initramfs', modulesImagePath: '/k/modules' },
  imagePath: '/i/base',
  driver: { agentLine: 'virtio-serial', endsBy: 'power-off' },
  folders: { runtime: '/r', console: '/c', hypervisorLog: '/h' },
  unixMs: 1,
} as const;
const disk = { drives: [{ path: '/d', readOnly: false }] };
const network = {
  network: {
    is: 'user',
    machine: { by: 'stream', socketPath: '/r/net' },
    guest: {
      ...{ address: '10.0.2.15', prefix: 24, gateway: '10.0.2.2', dns: ['10.0.2.3'] },
      search: Array<string>(6).fill('a'.repeat(41)),
    },
  },
} as const satisfies Contribution;

function bootOf({ kernelArguments }: { kernelArguments: string[] }): BootConfig {
  const encoded = kernelArguments.find((argument) => argument.startsWith('banger.boot='))?.slice(12) ?? '';
  return JSON.parse(Buffer.from(encoded, 'base64url').toString());
}

test('the boot configuration is encoded as the samples say', () => {
  for (const name of ['boot-config', 'boot-config-still']) {
    const path = new URL(`../../../contract/vectors/${name}.json`, import.meta.url);
    const sample = JSON.parse(readFileSync(path, 'utf8')) as { encoded: string; decoded: BootConfig };
    assert.equal(encodeBootConfig(sample.decoded), sample.encoded, name);
  }
});

test('image, disk and modules are drives in this order, and only the disk can be written', () => {
  const plan = planBoot({ ...parts, contributions: [disk, network] });
  assert.deepEqual(plan.drives, [
    { path: '/i/base', readOnly: true },
    { path: '/d', readOnly: false },
    { path: '/k/modules', readOnly: true },
  ]);
  const { imageDrives, diskDrive, modulesDrive } = bootOf(plan);
  assert.deepEqual([imageDrives, diskDrive, modulesDrive], [['vda'], 'vdb', 'vdc']);
  assert.deepEqual(plan.network, network.network.machine);
  assert.deepEqual(bootOf(plan).interfaces, [network.network.guest]);
});

test('a kernel with everything built in has no modules drive, a vm without network no peer', () => {
  const plan = planBoot({ ...parts, kernel: { ...parts.kernel, modulesImagePath: null }, contributions: [disk] });
  assert.equal(plan.drives.length, 2);
  assert.equal(plan.network, null);
  assert.deepEqual([bootOf(plan).modulesDrive, bootOf(plan).interfaces], [null, []]);
});

test('a boot that only reads the files says so, and no other does', () => {
  const isStill = (given: object) => bootOf(planBoot({ ...parts, ...given, contributions: [disk] })).isStill;
  assert.deepEqual([isStill({ isStill: true }), isStill({})], [true, undefined]);
});

test('the agent is told of a driver that is not as the first one', () => {
  const words = (driver: Parameters<typeof planBoot>[0]['driver']) => {
    const { kernelArguments } = planBoot({ ...parts, driver, contributions: [disk] });
    return kernelArguments.filter((word) => word.startsWith('banger.') && !word.startsWith('banger.boot='));
  };
  assert.deepEqual(words(parts.driver), []);
  assert.deepEqual(words({ agentLine: 'vsock', endsBy: 'reset' }), ['banger.line=vsock', 'banger.end=reset']);
});

test('the command line stays within what the kernel reads, with the longest name', () => {
  const plan = planBoot({ ...parts, vm: { ...vm, name: parseVmName('x'.repeat(63)) }, contributions: [disk, network] });
  assert.ok(plan.kernelArguments.join(' ').length < 1500);
});
