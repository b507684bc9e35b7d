import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DriverName } from '@banger/contract/api/vms.ts';
import type { VmId } from '@banger/contract/names.ts';
import { greetAgent } from '../guest/handshake.ts';
import { createLog } from '../platform/log.ts';
import { findByArgument } from '../platform/processes.ts';
import { Task } from '../platform/task.ts';
import { createWalls } from '../platform/walls.ts';
import type { DriverAbilities, Machine, MachinePlan } from './hypervisor.ts';
import { createKvmProof, type KvmTrial } from './prove-kvm.ts';
import { launchQemu } from './qemu/launch-qemu.ts';
import { createShutIn } from './shut-in.ts';

const fakeQemu = fileURLToPath(new URL('../../../../test/support/fake-qemu', import.meta.url));
const startVmm = createShutIn({ walls: createWalls([]) }); // not every host has the device that they would let in
const task = Task.background();

const SERIAL = { agentLine: 'virtio-serial', endsBy: 'power-off' } as DriverAbilities;

test('without the KVM device nothing is probed', async (t) => {
  const { prove, plan, probes } = await makeProbe(t, { kvmDevice: '/nonexistent/kvm' });
  assert.equal(await prove(plan, '7.2.22'), false);
  assert.equal(probes(), 0);
});

test('a guest that says hello under KVM proves it, once', async (t) => {
  const { prove, plan, probes, folder } = await makeProbe(t, {});
  const both = await Promise.all([prove(plan, '7.2.22'), prove(plan, '7.2.22')]);
  assert.deepEqual(both, [true, true]);
  assert.equal(await prove({ ...plan, kernelPath: '/another' }, '7.2.22'), true);
  assert.equal(probes(), 1);
  assert.deepEqual(findByArgument(folder), []);
});

test('the verdict is asked again after a reboot of the host and for another QEMU', async (t) => {
  const { prove, plan, probes, folder } = await makeProbe(t, {});
  await prove(plan, '7.2.22');
  await prove(plan, '10.0.2');
  assert.equal(probes(), 2);
  await writeFile(join(folder, 'boot_id'), 'the next boot\n');
  await prove(plan, '10.0.2');
  assert.equal(probes(), 3);
});

test('each driver is proven for itself', async (t) => {
  const { prove, plan, probes } = await makeProbe(t, {});
  const another = 'another' as DriverName;
  for (let time = 0; time < 2; time += 1) {
    assert.equal(await prove(plan, '7.2.22'), true);
    assert.equal(await prove(plan, '1.16.1', another), true);
  }
  assert.equal(probes(), 2);
});

test('a QEMU that ends under KVM means TCG, remembered for that kernel', async (t) => {
  const fault = new Error('no hello');
  const { prove, plan, probes, folder } = await makeProbe(t, { greet: () => Promise.reject(fault) });
  assert.equal(await prove(plan, '7.2.22'), false);
  assert.equal(await prove(plan, '7.2.22'), false);
  assert.equal(probes(), 1);
  assert.equal(await prove({ ...plan, kernelPath: '/another' }, '7.2.22'), false);
  assert.equal(await prove({ ...plan, initramfsPath: '/another' }, '7.2.22'), false);
  assert.equal(probes(), 3);
  assert.equal(JSON.parse(await readFile(join(folder, 'kvm-qemu.json'), 'utf8')).works, false);
});

test('a guest that says nothing under KVM is waited for as long as it may take', async (t) => {
  const greet = (limited: Task) => limited.race(new Promise<void>(() => {}));
  const { prove, plan, folder } = await makeProbe(t, { helloLimitMs: 50, greet });
  assert.equal(await prove(plan, '7.2.22'), false);
  assert.deepEqual(findByArgument(folder), []);
});

test('a verdict that cannot be written holds as long as the daemon, and stops no vm', async (t) => {
  const { prove, plan, probes, folder } = await makeProbe(t, {});
  await mkdir(join(folder, 'kvm-qemu.json.partial')); // as good as a disk without room, for root too
  assert.equal(await prove(plan, '7.2.22'), true);
  assert.equal(await prove(plan, '7.2.22'), true);
  assert.equal(probes(), 1);
});

type ProbeOptions = { kvmDevice?: string; helloLimitMs?: number; greet?: (limited: Task) => Promise<void> };

async function makeProbe(t: TestContext, { kvmDevice, helloLimitMs = 30_000, greet }: ProbeOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-probe-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'boot_id'), 'this boot\n');
  await writeFile(join(folder, 'kvm'), '');
  let probes = 0;
  const log = createLog(() => {});
  const proveKvm = createKvmProof({
    log,
    cacheFolder: folder,
    helloLimitMs,
    kvmDevice: kvmDevice ?? join(folder, 'kvm'),
    bootIdPath: join(folder, 'boot_id'),
    greet: async (limited: Task, machine: Machine) => {
      probes += 1;
      if (greet) return greet(limited);
      await greetAgent(limited, await machine.openAgentStream(limited));
    },
  });
  const plan: MachinePlan = {
    ...{
      vmId: '0123456789ab' as VmId,
      runtimeFolder: folder,
      cpus: 1,
      memoryBytes: 2 ** 28,
      network: null,
      drives: [],
    },
    ...{ kernelPath: '/kernel', initramfsPath: '/initramfs', kernelArguments: [] },
    ...{ consolePath: join(folder, 'console.txt'), logPath: join(folder, 'log.txt') },
  };
  return { prove, plan, probes: () => probes, folder };

  function prove(tried: MachinePlan, version: string, driver: DriverName = 'qemu'): Promise<boolean> {
    const launch: KvmTrial['launch'] = (own, probe) =>
      launchQemu(own, { qemuPath: fakeQemu, startVmm, log }, probe, 'kvm');
    return proveKvm(task, { driver, abilities: SERIAL, version, plan: tried, launch });
  }
}
