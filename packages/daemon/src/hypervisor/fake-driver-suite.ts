/**
 * A driver on its fake hypervisor, for its own test file: what every driver promises, what it says when the hypervisor or its
 * guest goes wrong, and a way to make them do so.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DriverName } from '@banger/contract/api/vms.ts';
import type { VmId } from '@banger/contract/names.ts';
import { type FakeFaults, writeFakeHypervisor } from '../../../../test/support/fake-faults.ts';
import { connectGuest } from '../guest/guest.ts';
import { findByArgument, killProcess } from '../platform/processes.ts';
import { Task } from '../platform/task.ts';
import { testDriver } from './driver-suite.ts';
import type { Driver, Machine, MachinePlan } from './hypervisor.ts';
import { createShutIn, type StartVmm } from './shut-in.ts';

const checkout = fileURLToPath(new URL('../../../..', import.meta.url));
const task = Task.background();

type FakeHarness<Given> = {
  name: DriverName;
  createDriver: (program: string, startVmm: StartVmm, given: Given) => Driver;
  /** What a start that fails is told with */
  failure: RegExp;
  /** What a version is told with that is too old */
  oldVersion: RegExp;
};

export async function greet(machine: Machine) {
  return connectGuest(task, await machine.openAgentStream(task));
}

/** `makeFaulty` has a driver of its own, and a plan to launch by it. */
export function testOnFake<Given extends object>({ name, createDriver, failure, oldVersion }: FakeHarness<Given>) {
  const program = join(checkout, `test/support/fake-${name}`);
  const samplePlan = {
    ...{ kernelPath: program, initramfsPath: program, kernelArguments: [] },
    ...{ cpus: 1, memoryBytes: 2 ** 28 },
  };

  testDriver(`${name} on the fake`, {
    driver: createDriver(program, createShutIn({ alsoSeen: [checkout] }), {} as Given),
    plan: samplePlan,
    greet: async (machine) => void (await greet(machine)),
    endGuest: async (machine) => {
      await (await greet(machine)).shutdown(task, 'poweroff');
      return 'power-off';
    },
  });

  test(`${name}: what it says when it cannot start reaches the user, and nothing is left`, async (t) => {
    const { launch, plan } = await makeFaulty(t, { fault: 'exit-at-start' });
    await assert.rejects(launch(), { code: 'HYPERVISOR_FAILED', message: failure });
    assert.deepEqual(findByArgument(plan.runtimeFolder), []);
  });

  test(`${name}: memory that the host does not have is told as that`, async (t) => {
    const { launch } = await makeFaulty(t, { fault: 'no-memory' });
    await assert.rejects(launch(), { code: 'NOT_ENOUGH_MEMORY', message: /256 MiB/ });
  });

  test(`${name}: one that is too old is an obstacle, and told with its version`, async (t) => {
    const { driver } = await makeFaulty(t, { fault: 'old-version' });
    assert.match((await driver.findObstacle(task, null))?.why ?? '', oldVersion);
  });

  test(`${name}: a machine whose kernel panics has ended by a reset, with the panic in its console`, async (t) => {
    const { launch, plan } = await makeFaulty(t, { fault: 'panic', afterMs: 20 });
    const exit = await (await launch()).exited;
    assert.deepEqual([exit.by, 'how' in exit && exit.how], ['guest', 'reset']);
    assert.match(exit.detail, /^guest.reset$/);
    assert.match(await readFile(plan.consolePath, 'utf8'), /Kernel panic/);
  });

  return { makeFaulty, program };

  async function makeFaulty(t: TestContext, faults: Partial<FakeFaults>, given = {} as Given) {
    const folder = await mkdtemp(join(tmpdir(), `banger-${name}-`));
    t.after(async () => {
      for (const found of findByArgument(folder)) await killProcess(found);
      await rm(folder, { recursive: true, force: true });
    });
    const fake = await writeFakeHypervisor(folder, name);
    fake.setFaults(faults);
    const driver = createDriver(fake.program, createShutIn({ alsoSeen: [checkout, folder] }), given);
    const plan: MachinePlan = {
      ...samplePlan,
      ...{ vmId: '0123456789ab' as VmId, runtimeFolder: folder, drives: [], network: null },
      ...{ consolePath: join(folder, 'console.txt'), logPath: join(folder, 'log.txt') },
    };
    return { driver, plan, launch: () => driver.launch(task, plan) };
  }
}
