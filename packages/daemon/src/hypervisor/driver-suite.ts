/**
 * What every driver promises, as tests. A driver's own test file calls this with a way to make plans; the fake
 * hypervisor is held to the same, so that tests against it say something about the real ones.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { VmId } from '@banger/contract/names.ts';
import { findByArgument, isAlive, killProcess } from '../platform/processes.ts';
import { Task } from '../platform/task.ts';
import type { Driver, Machine, MachinePlan } from './hypervisor.ts';
import { ownFolder } from './shut-in.ts';

export type DriverHarness = {
  driver: Driver;
  /** Everything of a plan but its folders; the guest needs an agent that answers hello */
  plan: Pick<MachinePlan, 'kernelPath' | 'initramfsPath' | 'kernelArguments' | 'cpus' | 'memoryBytes'>;
  /** Waits until the agent of this machine has answered */
  greet(machine: Machine): Promise<void>;
  /** Makes the guest end by itself, and says in which way it does; null when the harness has no way to ask it */
  endGuest: ((machine: Machine) => Promise<'power-off' | 'reset'>) | null;
};

export function testDriver(name: string, harness: DriverHarness, options: { skip?: string | false } = {}): void {
  const story = (title: string, run: (t: TestContext, plan: MachinePlan) => Promise<void>) =>
    test(`${name}: ${title}`, { skip: options.skip ?? false }, async (t) => run(t, await makePlan(t, harness)));
  const { driver } = harness;
  const task = Task.background();

  story('a launched machine runs, and its agent answers', async (_t, plan) => {
    const machine = await driver.launch(task, plan);
    assert.equal(isAlive(machine.ref), true);
    assert.equal(machine.ref.driver, driver.name);
    assert.ok(findByArgument(plan.runtimeFolder).some(({ pid }) => pid === machine.ref.pid));
    await harness.greet(machine);
    await machine.kill();
    assert.equal((await machine.exited).by, 'host');
    assert.deepEqual(findByArgument(plan.runtimeFolder), []);
    await machine.kill(); // safe to repeat
  });

  story('a second agent stream takes the place of the first', async (_t, plan) => {
    const machine = await driver.launch(task, plan);
    await harness.greet(machine);
    await harness.greet(machine);
    await machine.kill();
  });

  story('a released machine goes on, and is adopted with all its abilities', async (_t, plan) => {
    const first = await driver.launch(task, plan);
    await harness.greet(first);
    first.release();
    const second = await driver.adopt(task, structuredClone(first.ref), plan.consolePath);
    assert.ok(second && second !== 'silent');
    await harness.greet(second);
    await second.kill();
    assert.equal((await second.exited).by, 'host');
    assert.deepEqual(findByArgument(plan.runtimeFolder), []);
    assert.equal(await driver.adopt(task, first.ref, plan.consolePath), null);
  });

  story('whoever ends what only waits for a machine does not end the machine', async (_t, plan) => {
    const machine = await driver.launch(task, plan);
    for (const found of findByArgument(plan.runtimeFolder)) {
      if (found.pid !== machine.ref.pid) await killProcess(found);
    }
    await harness.greet(machine);
    machine.release();
    const adopted = await driver.adopt(task, machine.ref, plan.consolePath);
    assert.ok(adopted && adopted !== 'silent');
    await harness.greet(adopted);
    await adopted.kill();
    assert.deepEqual(findByArgument(plan.runtimeFolder), []);
  });

  story('links that a machine puts in the place of its sockets lead nowhere', async (t, plan) => {
    const machine = await driver.launch(task, plan);
    machine.release();
    const callers: unknown[] = [];
    const yours = createServer((caller) => callers.push(caller.destroy()));
    const path = join(plan.runtimeFolder, 'yours');
    await new Promise<void>((resolve) => yours.listen(path, resolve));
    t.after(() => yours.close());
    for (const name of await readdir(ownFolder(plan.runtimeFolder))) {
      await rm(join(ownFolder(plan.runtimeFolder), name), { recursive: true });
      await symlink(path, join(ownFolder(plan.runtimeFolder), name));
    }
    assert.equal(await driver.adopt(task, machine.ref, plan.consolePath), null);
    assert.equal(callers.length, 0);
  });

  story('a process that is not the machine is not adopted', async (_t, plan) => {
    const machine = await driver.launch(task, plan);
    machine.release();
    const { pid, startTicks } = machine.ref;
    assert.equal(await driver.adopt(task, { ...machine.ref, startTicks: startTicks + 1 }, plan.consolePath), null);
    const elsewhere = { ...machine.ref, runtimeFolder: '/nonexistent/banger' };
    assert.equal(await driver.adopt(task, elsewhere, plan.consolePath), null);
    assert.equal(isAlive({ pid, startTicks }), true);
  });

  story('a machine that lives and does not answer is silent, and adopted once it does', async (_t, plan) => {
    const first = await driver.launch(task, plan);
    first.release();
    process.kill(first.ref.pid, 'SIGSTOP');
    // More often than its control socket lets clients wait.
    for (let tries = 0; tries < 4; tries++) {
      const soon = task.within(200);
      assert.equal(await driver.adopt(soon, first.ref, plan.consolePath), 'silent');
    }
    const adopting = driver.adopt(task, first.ref, plan.consolePath);
    process.kill(first.ref.pid, 'SIGCONT');
    const second = await adopting;
    assert.ok(second && second !== 'silent');
    await harness.greet(second);
    await second.kill();
  });

  story('a machine that is killed by somebody else is lost', async (_t, plan) => {
    const machine = await driver.launch(task, plan);
    process.kill(machine.ref.pid, 'SIGKILL');
    assert.equal((await machine.exited).by, 'lost');
    assert.deepEqual(findByArgument(plan.runtimeFolder), []);
    await assert.rejects(machine.openAgentStream(task), { code: 'VM_LOST' }); // and nobody knocks at what it left
  });

  story('a guest that ends is told apart from a machine that is killed', async (t, plan) => {
    if (!harness.endGuest) return t.skip('this harness cannot make its guest end');
    const machine = await driver.launch(task, plan);
    const how = await harness.endGuest(machine);
    const exit = await machine.exited;
    assert.deepEqual([exit.by, 'how' in exit && exit.how], ['guest', how]);
    assert.equal(isAlive(machine.ref), false);
  });

  story('the console is in its file when the machine has ended', async (_t, plan) => {
    const machine = await driver.launch(task, plan);
    await harness.greet(machine);
    await machine.kill();
    await machine.exited;
    assert.notEqual((await readFile(plan.consolePath)).length, 0);
  });

  story('a launch that fails leaves nothing running', async (_t, plan) => {
    const broken = { ...plan, drives: [{ path: join(plan.runtimeFolder, 'no-such-disk'), readOnly: true }] };
    await assert.rejects(driver.launch(task, broken), { code: 'HYPERVISOR_FAILED', message: /no-such-disk/ });
    assert.deepEqual(findByArgument(plan.runtimeFolder), []);
  });

  story('a launch that is cancelled leaves nothing running', async (_t, plan) => {
    const controller = new AbortController();
    const launching = driver.launch(task.withSignal(controller.signal), plan);
    setTimeout(() => controller.abort(), 10);
    await assert.rejects(launching, { code: 'CANCELLED' });
    assert.deepEqual(findByArgument(plan.runtimeFolder), []);
  });

  story('sockets that an earlier run left are no obstacle', async (_t, plan) => {
    await (await driver.launch(task, plan)).kill();
    assert.notEqual((await readdir(ownFolder(plan.runtimeFolder))).length, 0);
    const machine = await driver.launch(task, plan);
    await harness.greet(machine);
    await machine.kill();
  });

  story('a socket path that is too long is refused', async (_t, plan) => {
    const runtimeFolder = join(plan.runtimeFolder, 'x'.repeat(100));
    await assert.rejects(driver.launch(task, { ...plan, runtimeFolder }), { code: 'PATH_TOO_LONG' });
  });
}

async function makePlan(t: TestContext, { plan }: DriverHarness): Promise<MachinePlan> {
  const runtimeFolder = await mkdtemp(join(tmpdir(), 'banger-driver-'));
  t.after(async () => {
    for (const found of findByArgument(runtimeFolder)) await killProcess(found);
    await rm(runtimeFolder, { recursive: true, force: true });
  });
  return {
    ...plan,
    vmId: '0123456789ab' as VmId,
    runtimeFolder,
    drives: [],
    network: null,
    consolePath: join(runtimeFolder, 'console.txt'),
    logPath: join(runtimeFolder, 'hypervisor.txt'),
  };
}
