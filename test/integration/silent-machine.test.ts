/** A machine whose hypervisor does not answer while the daemon starts, as on a host that is very busy. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { DriverName, Vm } from '@banger/contract/api/vms.ts';
import { DRIVER_NAMES } from '@banger/contract/driver-names.ts';
import { createFakeHome } from '../support/fake-home.ts';

async function createSilentVm(t: TestContext, driver: DriverName = 'qemu') {
  const home = await createFakeHome(t, {}, driver);
  const { state } = await home.json<Vm>(['vm', 'create', '--name', 'web', '--start']);
  assert.ok(state.is === 'running');
  await home.killDaemon();
  process.kill(state.pid, 'SIGSTOP');
  return { ...home, pid: state.pid };
}

for (const driver of DRIVER_NAMES) {
  test(`${driver}: it is shown as it is, and used again as soon as it answers`, async (t) => {
    const home = await createSilentVm(t, driver);
    const silent = await home.json<Vm>(['vm', 'show', 'web']);
    assert.deepEqual([silent.state.is, silent.fault?.code], ['running', 'VM_SILENT']);
    for (const words of [
      ['vm', 'exec', 'web', '--', 'true'],
      ['vm', 'stop', 'web'],
    ]) {
      const { code, stderr } = await home.run(words);
      assert.equal(code, 75);
      assert.match(stderr, /VM_SILENT/);
    }

    await home.killDaemon();
    assert.equal(
      (await home.json<Vm>(['vm', 'show', 'web'])).state.is,
      'running',
      'a second daemon does not kill it either',
    );

    process.kill(home.pid, 'SIGCONT');
    const { state } = await home.untilVm('web', (vm) => vm.fault === null);
    assert.ok(state.is === 'running' && state.pid === home.pid);
    assert.equal((await home.run(['vm', 'exec', 'web', '--', 'echo', 'here'])).stdout, 'here\n');
  });

  test(`${driver}: one that ends without having answered has crashed`, async (t) => {
    const home = await createSilentVm(t, driver);
    await home.json(['vm', 'ls']);
    process.kill(home.pid, 'SIGKILL');
    const { state } = await home.untilVm('web', (vm) => vm.state.is === 'stopped');
    assert.equal(state.is === 'stopped' && state.why, 'crashed');
  });
}

test('it can be killed and removed all the same', async (t) => {
  const home = await createSilentVm(t);
  await home.json(['vm', 'kill', 'web']);
  await home.json(['vm', 'start', 'web']);
  const { state } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.ok(state.is === 'running');
  await home.killDaemon();
  process.kill(state.pid, 'SIGSTOP');
  assert.equal((await home.run(['vm', 'rm', '--force', 'web'])).code, 0);
  assert.deepEqual(await home.leftovers(), []);
});
