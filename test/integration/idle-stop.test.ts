/** A vm that nobody uses is stopped after a while, when the config says so. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { DriverName, Vm } from '@banger/contract/api/vms.ts';
import { DRIVER_NAMES } from '@banger/contract/driver-names.ts';
import { createFakeHome } from '../support/fake-home.ts';

async function createIdleHome(t: TestContext, idleStopAfter: string, driver: DriverName = 'qemu') {
  const home = await createFakeHome(t, {}, driver);
  await home.writeConfig(`[vm]\nidle_stop_after = "${idleStopAfter}"\n`);
  const state = async () => (await home.json<Vm>(['vm', 'show', 'web'])).state.is;
  return { ...home, state };
}

for (const driver of DRIVER_NAMES) {
  test(`${driver}: it stops by shutting down, and the list says when`, async (t) => {
    const home = await createIdleHome(t, '3s', driver);
    await home.json(['vm', 'create', '--name', 'web', '--start']);
    const { idleStopAt } = await home.json<Vm>(['vm', 'show', 'web']);
    assert.ok(Date.parse(idleStopAt as string) > Date.now() - 1000);
    assert.match((await home.run(['vm', 'ls'])).stdout, /running, stops in \d s/);
    const { state } = await home.untilVm('web', (vm) => vm.state.is === 'stopped');
    assert.equal(state.is === 'stopped' && state.why, 'shut-down');
  });
}

test('a command, a session that goes on alone, and a broken config keep it running', async (t) => {
  const home = await createIdleHome(t, '2s');
  await home.json(['vm', 'create', '--name', 'web', '--start']);

  const command = home.start(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo up; sleep 4']);
  await once(command.stdout as NodeJS.ReadableStream, 'data');
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).idleStopAt, null, 'it is in use');
  const [code] = await once(command, 'close');
  assert.equal(code, 0, 'it was not stopped under the command');

  await home.json(['vm', 'exec', '--detach', 'web', '--', 'sleep', '5']);
  await delay(3500);
  assert.equal(await home.state(), 'running', 'a detached command runs in it');

  await home.writeConfig('[vm]\nidle = 1\n');
  await delay(5000);
  assert.equal(await home.state(), 'running');
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).idleStopAt, null);
});

test('a daemon that starts again gives each vm the whole time, and then stops it', async (t) => {
  const home = await createIdleHome(t, '4s', 'firecracker');
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  await home.killDaemon();
  await delay(4500);
  assert.equal(await home.state(), 'running');
  await home.untilVm('web', (vm) => vm.state.is === 'stopped');
});
