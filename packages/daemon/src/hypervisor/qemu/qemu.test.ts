import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { test } from 'node:test';
import { createLog } from '../../platform/log.ts';
import { findByArgument } from '../../platform/processes.ts';
import { Task } from '../../platform/task.ts';
import { greet, testOnFake } from '../fake-driver-suite.ts';
import { machineRefSchema } from '../hypervisor.ts';
import { type MachineSockets, machineSockets } from './plan-arguments.ts';
import { createQemuDriver } from './qemu.ts';

const task = Task.background();

const { makeFaulty } = testOnFake({
  name: 'qemu',
  createDriver: (qemuPath, startVmm) =>
    createQemuDriver({ qemuPath, startVmm, log: createLog(() => {}), proveKvm: async () => false }),
  failure: /this machine was told to fail/,
  oldVersion: /6\.2\.0 is installed/,
});

test('a QEMU that is too old is refused before it is started', async (t) => {
  const { launch } = await makeFaulty(t, { fault: 'old-version' });
  await assert.rejects(launch(), { code: 'TOOL_TOO_OLD' });
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
