import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeFrame, FRAME } from '@banger/contract/guest/frames.ts';
import { VSOCK_PORTS } from '@banger/contract/guest/vsock.ts';
import { createLog } from '../../platform/log.ts';
import { findByArgument, isStopped } from '../../platform/processes.ts';
import { Task } from '../../platform/task.ts';
import { greet, testOnFake } from '../fake-driver-suite.ts';
import type { Driver, Machine, Trial } from '../hypervisor.ts';
import { createShutIn } from '../shut-in.ts';
import { createFirecrackerDriver } from './firecracker.ts';
import { machineFiles } from './plan-config.ts';

const task = Task.background();
const log = createLog(() => {});
const PARTS = { log, linkPath: '/nonexistent/banger-link', proveKvm: async () => true };

const { makeFaulty, program } = testOnFake<Partial<Parameters<typeof createFirecrackerDriver>[0]>>({
  name: 'firecracker',
  createDriver: (path, startVmm, given) =>
    createFirecrackerDriver({ ...PARTS, findProgram: async () => path, startVmm, ...given }),
  failure: /machine: this machine was told to fail$/,
  oldVersion: /1\.13\.1 is installed/,
});

test('what keeps Firecracker from running vms here is told: its program, KVM', async (t) => {
  const whyOf = async (driver: Driver, given: Trial | null = null) => (await driver.findObstacle(task, given))?.why;
  const missing = createFirecrackerDriver({
    ...PARTS,
    findProgram: async () => '/nonexistent',
    startVmm: createShutIn(),
  });
  assert.match((await whyOf(missing)) ?? '', /is not installed$/);
  const without = await makeFaulty(t, {}, { kvmDevice: '/nonexistent/kvm', proveKvm: async () => false });
  assert.match((await whyOf(without.driver)) ?? '', /KVM runs no guests/);
  assert.match((await whyOf(without.driver, without.plan)) ?? '', /KVM runs no guests/);
  const good = await makeFaulty(t, {}, { kvmDevice: program });
  assert.deepEqual([await whyOf(good.driver), await whyOf(good.driver, good.plan)], [undefined, undefined]);
});

test('a machine waits before the disk of the host is full, is taken over as it waits, and goes on by itself', async (t) => {
  let freeBytes = 2 ** 40;
  const room = {
    measure: async () => ({ freeBytes, growthBytes: 2 ** 33 }),
    looksMs: { most: 10, least: 10, stopped: 10 },
  };
  const { driver, launch, plan } = await makeFaulty(t, {}, { room });
  const disk = join(plan.runtimeFolder, 'disk');
  await writeFile(disk, '');
  plan.drives.push({ path: disk, readOnly: false });
  const first = await launch();
  await greet(first);
  freeBytes = 0;
  assert.equal(await stallOf(first), 'disk-full');
  while (!isStopped(first.ref)) await delay(1); // a signal takes its time
  first.release();

  const second = await driver.adopt(task, first.ref, plan.consolePath);
  assert.ok(second && second !== 'silent');
  assert.equal(second.stall, 'disk-full');
  freeBytes = 2 ** 40;
  assert.equal(await stallOf(second), null);
  while (isStopped(second.ref)) await delay(1);
  await greet(second);
  freeBytes = 0;
  assert.equal(await stallOf(second), 'disk-full');
  await second.kill();
  await assert.rejects(launch(), { code: 'DISK_FULL' }); // it would be stopped before it says anything
});

test('how a guest ends is known too to a daemon that did not start it', async (t) => {
  const { driver, launch, plan } = await makeFaulty(t, {});
  const first = await launch();
  await greet(first);
  first.release();
  const second = await driver.adopt(task, first.ref, plan.consolePath);
  assert.ok(second && second !== 'silent');
  await (await greet(second)).shutdown(task, 'poweroff');
  assert.deepEqual(await second.exited, { by: 'guest', how: 'power-off', detail: 'guest power-off' });
});

test('a guest that halts has powered its machine off, and one that shows an old log of it goes on', async (t) => {
  const looks = { count: 3, pauseMs: 20, stillMs: 100 };
  const { driver, launch, plan } = await makeFaulty(t, { fault: 'halts' }, { looks });
  const first = await launch();
  const refused = async () =>
    (await readFile(plan.logPath, 'utf8')).split('refuses a connection to port 1022').length - 1;
  while ((await refused()) < looks.count) await delay(10);
  await (await greet(first)).shutdown(task, 'poweroff');
  assert.deepEqual(await first.exited, { by: 'guest', how: 'power-off', detail: 'guest halted' });
  assert.deepEqual(findByArgument(plan.runtimeFolder), []);

  const late = await makeFaulty(t, { fault: 'halts' }, { looks: { ...looks, pauseMs: 60_000 } });
  const second = await late.launch();
  await (await greet(second)).shutdown(task, 'poweroff');
  while (!(await readFile(late.plan.consolePath, 'utf8')).includes('System halted')) await delay(10);
  second.release(); // the daemon has read the line, and ends before it can tell
  const third = await driver.adopt(task, second.ref, late.plan.consolePath);
  assert.ok(third && third !== 'silent');
  assert.deepEqual(await third.exited, { by: 'guest', how: 'power-off', detail: 'guest halted' });
});

test('an agent that ends lets go of its line, and the next one is connected to', async (t) => {
  const { launch } = await makeFaulty(t, { fault: 'agent-restarts' });
  const machine = await launch();
  const guest = await greet(machine);
  const { promise: isBack, resolve } = Promise.withResolvers<void>();
  machine.onAgentPort((isOpen) => {
    if (isOpen) resolve();
  });
  const command = await guest.exec(task, {
    argv: ['cat'],
    user: null,
    cwd: null,
    env: {},
    tty: null,
    stdin: true,
    keep: false,
  });
  command.on('error', () => {}).write(encodeFrame(FRAME.STDIN, 'x'));
  await isBack;
  assert.equal(guest.isClosed, true);
  assert.notEqual(await greet(machine), guest);
  await machine.kill();
});

test('who connects after the agent of the boot is not believed to be the agent', async (t) => {
  const { launch, plan } = await makeFaulty(t, {});
  const machine = await launch();
  await greet(machine);
  const impostor = connect(machineFiles(plan.runtimeFolder).guestPort(VSOCK_PORTS.call)).on('error', () => {});
  await once(impostor.resume(), 'close');
  const { version } = (await greet(machine)).info;
  assert.equal(version, '0.0.0-fake');
  await machine.kill();
});

test('a socket that is not what it was keeps nobody waiting for the end of its machine', async (t) => {
  const { launch, plan } = await makeFaulty(t, {});
  const machine = await launch();
  const files = machineFiles(plan.runtimeFolder);
  await rename(files.vsock, files.guestPort(VSOCK_PORTS.goodbye)); // nobody listens there once the machine has ended
  await machine.kill();
  assert.equal((await machine.exited).by, 'host');
});

/** What it waits for, after the next change. */
function stallOf(machine: Machine) {
  const before = machine.stall;
  return new Promise((resolve) => machine.onStall((stall) => stall !== before && resolve(stall)));
}
