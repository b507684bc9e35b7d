import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { VmId } from '@banger/contract/names.ts';
import { type FakeFaults, writeFakeFaults } from '../../../../../test/support/fake-faults.ts';
import { connectGuest } from '../../guest/guest.ts';
import { createLog } from '../../platform/log.ts';
import { findByArgument, killProcess } from '../../platform/processes.ts';
import { Task } from '../../platform/task.ts';
import { testDriver } from '../driver-suite.ts';
import { type Machine, type MachinePlan, machineRefSchema } from '../hypervisor.ts';
import { createShutIn } from '../shut-in.ts';
import { type MachineSockets, machineSockets } from './plan-arguments.ts';
import { createQemuDriver } from './qemu.ts';

const checkout = fileURLToPath(new URL('../../../../..', import.meta.url));
const fakeQemu = join(checkout, 'test/support/fake-qemu');
const task = Task.background();
const FAKE_PLAN = {
  ...{ kernelPath: fakeQemu, initramfsPath: fakeQemu, kernelArguments: [] },
  ...{ cpus: 1, memoryBytes: 2 ** 28 },
};
const parts = { log: createLog(() => {}), proveKvm: async () => false };

testDriver("QEMU's driver on the fake", {
  driver: createQemuDriver({ qemuPath: fakeQemu, startVmm: createShutIn({ alsoSeen: [checkout] }), ...parts }),
  plan: FAKE_PLAN,
  greet: async (machine) => void (await greet(machine)),
  endGuest: async (machine) => {
    await (await greet(machine)).shutdown(task, 'poweroff');
    return 'power-off';
  },
});

async function greet(machine: Machine) {
  return connectGuest(task, await machine.openAgentStream(task));
}

test('what QEMU says when it cannot start reaches the user, and nothing is left', async (t) => {
  const { launch, plan } = await makeFaulty(t, { fault: 'exit-at-start' });
  await assert.rejects(launch(), { code: 'HYPERVISOR_FAILED', message: /this machine was told to fail/ });
  assert.deepEqual(findByArgument(plan.runtimeFolder), []);
});

test('memory that the host does not have is told as that', async (t) => {
  const { launch } = await makeFaulty(t, { fault: 'no-memory' });
  await assert.rejects(launch(), { code: 'NOT_ENOUGH_MEMORY', message: /256 MiB/ });
});

test('a QEMU that is too old is refused before it is started', async (t) => {
  const { launch } = await makeFaulty(t, { fault: 'old-version' });
  await assert.rejects(launch(), { code: 'TOOL_TOO_OLD' });
});

test('a machine whose kernel panics has ended by itself, with the panic in its console', async (t) => {
  const { launch, plan } = await makeFaulty(t, { fault: 'panic', afterMs: 20 });
  const machine = await launch();
  assert.deepEqual(await machine.exited, { by: 'guest', how: 'reset', detail: 'guest-reset' });
  assert.match(await readFile(plan.consolePath, 'utf8'), /Kernel panic/);
});

test('a machine of a banger before machines had a folder of their own is adopted', async (t) => {
  const { launch, plan, driver } = await makeFaulty(t, {});
  const first = await launch();
  first.release();
  assert.ok(first.ref.driver === 'qemu');
  const [then, now] = [false, true].map((hasOwnFolder) => machineSockets({ ...first.ref, hasOwnFolder })) as [
    ...[MachineSockets, MachineSockets],
  ];
  for (const name of ['agent', 'console', 'qmp'] as const) await rename(now[name], then[name]);
  const { hasOwnFolder: _, ...written } = first.ref;
  const adopted = await driver.adopt(task, machineRefSchema.parse(written), plan.consolePath);
  assert.ok(adopted && adopted !== 'silent');
  await greet(adopted);
  await adopted.kill();
  assert.deepEqual(findByArgument(plan.runtimeFolder), []);
});

async function makeFaulty(t: TestContext, faults: Partial<FakeFaults>) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-qemu-'));
  t.after(async () => {
    for (const found of findByArgument(folder)) await killProcess(found);
    await rm(folder, { recursive: true, force: true });
  });
  const faultsPath = join(folder, 'faults.json');
  writeFakeFaults(faultsPath, faults);
  const qemuPath = join(folder, 'qemu');
  await writeFile(qemuPath, `#!/bin/sh\nBANGER_FAKE_QEMU=${faultsPath} exec ${fakeQemu} "$@"\n`, { mode: 0o700 });
  const driver = createQemuDriver({ qemuPath, startVmm: createShutIn({ alsoSeen: [checkout, folder] }), ...parts });
  const plan: MachinePlan = {
    ...FAKE_PLAN,
    ...{ vmId: '0123456789ab' as VmId, runtimeFolder: folder, drives: [], network: null },
    ...{ consolePath: join(folder, 'console.txt'), logPath: join(folder, 'log.txt') },
  };
  return { plan, driver, launch: () => driver.launch(task, plan) };
}
