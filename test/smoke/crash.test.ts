/** Story: something dies without warning, and nothing is lost or left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Session, Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';

test('a running machine survives what happens around it', async (t) => {
  const home = await createHome(t);
  const show = () => home.json<Vm>(['vm', 'show', 'web']);
  await home.json(['vm', 'create', '--name', 'web', '--memory', '512M']);
  await home.json(['vm', 'start', 'web']);
  const sessionId = (
    await home.run(['vm', 'exec', '-d', 'web', '--', 'sh', '-c', 'echo before; sleep 1000'])
  ).stdout.trim();

  await t.test('a daemon that is killed finds its machines again, and their sessions', async () => {
    const before = await show();
    await home.killDaemon();
    const after = await show();
    assert.deepEqual(after.state, before.state);
    const { sessions } = await home.json<{ sessions: Session[] }>(['vm', 'sessions', 'web']);
    assert.deepEqual(
      sessions.map(({ id }) => id),
      [sessionId],
    );
    assert.equal((await home.run(['vm', 'exec', 'web', '--', 'hostname'])).stdout, 'web\n');
  });

  await t.test('a daemon that is killed in the middle of a transfer leaves an agent that answers', async () => {
    const busy = home.start(['vm', 'exec', 'web', '--', 'sh', '-c', 'cat /dev/zero']);
    await new Promise((resolve) => busy.stdout?.once('data', resolve));
    await home.killDaemon();
    assert.equal((await home.run(['vm', 'exec', 'web', '--', 'echo', 'again'])).stdout, 'again\n');
    busy.kill('SIGKILL');
  });

  await t.test('a hypervisor that is killed is noticed, with nothing left running', async () => {
    const { state } = await show();
    assert.equal(state.is, 'running');
    if (state.is === 'running') process.kill(state.pid, 'SIGKILL');
    const after = await home.untilVm('web', ({ state }) => state.is === 'stopped');
    assert.deepEqual([after.state.is, after.state.is === 'stopped' && after.state.why], ['stopped', 'crashed']);
    assert.equal(after.fault?.code, 'VM_LOST');
  });

  await t.test('a kernel panic is told with the last lines of the console', async () => {
    await home.json(['vm', 'start', 'web']);
    await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo c >/proc/sysrq-trigger']);
    const { fault } = await home.untilVm('web', ({ state }) => state.is === 'stopped');
    assert.match(fault?.message ?? '', /panic/i);
    assert.match((await home.run(['vm', 'logs', 'web'])).stdout, /Kernel panic - not syncing: sysrq triggered crash/);
  });

  await t.test('a host that goes down while the daemon is dead leaves a stopped machine with its disk', async () => {
    await home.json(['vm', 'start', 'web']);
    await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo kept >/root/file; sync']);
    const { state } = await show();
    await home.killDaemon();
    if (state.is === 'running') process.kill(state.pid, 'SIGKILL');
    const after = await show();
    assert.equal(after.state.is === 'stopped' && after.state.why, 'crashed');
    await home.json(['vm', 'start', 'web']);
    assert.equal((await home.run(['vm', 'exec', 'web', '--', 'cat', '/root/file'])).stdout, 'kept\n');
  });
});
