/** Story: a named machine lives on. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { StopResult, Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';
import { assertShutIn } from '../support/look-inside.ts';

test('a named machine lives on', async (t) => {
  const home = await createHome(t);
  const show = () => home.json<Vm>(['vm', 'show', 'web']);

  const stop = async (...args: string[]) => {
    const { results } = await home.json<{ results: { result: StopResult }[] }>(args);
    return results[0]?.result.how;
  };

  await t.test('it is created stopped, and starts', async () => {
    await home.json(['vm', 'create', '--name', 'web', '--memory', '512M', '--disk-size', '1G']);
    assert.equal((await show()).state.is, 'stopped');
    await home.json(['vm', 'start', 'web']);
    assert.equal((await show()).state.is, 'running');
    const { stdout } = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'hostname; cat /etc/machine-id']);
    assert.match(stdout, /^web\n[0-9a-f]{32}\n$/);
  });

  await t.test('its hypervisor sees what it is made of, and nothing of yours', async () => {
    await home.json(['vm', 'create', '--name', 'other', '--disk-size', '1G']);
    const [web, other] = [await show(), await home.json<Vm>(['vm', 'show', 'other'])];
    const key = join(home.env.HOME as string, '.ssh', 'id_ed25519');
    await mkdir(dirname(key));
    await writeFile(key, 'canary');
    const diskOf = ({ id }: Vm) => join(home.paths.data, 'vms', id, 'disk.ext4');
    const run = join(home.paths.runtime, 'vms', web.id);
    assertShutIn(web.state.is === 'running' ? web.state.pid : 0, {
      hidden: [
        key,
        diskOf(other),
        join(home.paths.runtime, 'daemon.sock'),
        home.paths.state,
        join(run, 'machine.json'),
      ],
      readable: ['/usr', join(run, 'network.sock')],
      writable: [diskOf(web), join(run, 'vmm')],
      hasFilter: true,
    });
    await home.json(['vm', 'rm', 'other']);
  });

  await t.test('an agent that is killed comes back beside systemd too', async () => {
    await home.json(['vm', 'start', 'web', '--wait', 'system']);
    const killed = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'kill -9 -1']);
    assert.match(killed.stderr, /\((SESSION|VM)_LOST\)/);
    // The init has said once, to the agent before, that its boot is over.
    await home.json(['vm', 'start', 'web', '--wait', 'system']);
    const where = await home.run(['vm', 'exec', 'web', '--', 'cat', '/proc/self/cgroup']);
    assert.match(where.stdout, /^0::\/init\.scope$/m);
    assert.equal((await show()).fault, null);
  });

  await t.test('what was written survives an orderly stop and a start that waits for all services', async () => {
    const script = 'echo kept >/root/file; echo also >/etc/banger-test; cp /bin/true /usr/local/bin/mine';
    await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script]);
    assert.equal(await stop('vm', 'stop', '--timeout', '2m', 'web'), 'shut-down');
    await home.json(['vm', 'start', 'web', '--wait', 'system']);
    assert.equal((await home.run(['vm', 'exec', 'web', '--', 'systemctl', 'is-system-running'])).stdout, 'running\n');
    const { stdout } = await home.run([
      'vm',
      'exec',
      'web',
      '--',
      'sh',
      '-c',
      'cat /root/file /etc/banger-test; mine && echo runs',
    ]);
    assert.equal(stdout, 'kept\nalso\nruns\n');
  });

  await t.test('a guest that does not shut down in time is killed, and that is said', async () => {
    await home.run(['vm', 'exec', 'web', '--', 'systemctl', 'mask', '--runtime', 'poweroff.target']);
    assert.equal(await stop('vm', 'stop', '--timeout', '1', 'web'), 'killed');
  });

  await t.test('while it is stopped its size can be changed, and the disk only grows', async () => {
    await home.json(['vm', 'set', 'web', '--cpus', '2', '--memory', '640M', '--disk-size', '3G']);
    const shrink = await home.run(['vm', 'set', 'web', '--disk-size', '1G']);
    assert.match(shrink.stderr, /DISK_SHRINK/);
    await home.json(['vm', 'start', 'web']);
    const refused = await home.run(['vm', 'set', 'web', '--cpus', '1']);
    assert.match(refused.stderr, /only a stopped vm can be changed[\s\S]*vm stop web/);
    const script = 'nproc; df --output=size -k / | tail -1; cat /root/file';
    const { stdout } = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script]);
    const [cpus, diskKib, kept] = stdout.trim().split('\n');
    assert.equal(cpus, '2');
    assert.ok(Number(diskKib) > 2.7 * 2 ** 20, stdout);
    assert.equal(kept, 'kept');
  });

  await t.test('what was synced survives a kill', async () => {
    await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo synced >/root/synced; sync']);
    assert.equal(await stop('vm', 'kill', 'web'), 'killed');
    await home.json(['vm', 'start', 'web']);
    assert.equal((await home.run(['vm', 'exec', 'web', '--', 'cat', '/root/synced'])).stdout, 'synced\n');
  });

  await t.test('a restart is a new boot with the same disk', async () => {
    const bootId = async () =>
      (await home.run(['vm', 'exec', 'web', '--', 'cat', '/proc/sys/kernel/random/boot_id'])).stdout;
    const before = await bootId();
    await home.json(['vm', 'restart', '--timeout', '1', 'web']);
    assert.notEqual(await bootId(), before);
  });

  await t.test('a machine that its guest reboots comes back, with the name that was set inside', async () => {
    const booted = async () =>
      (await home.run(['vm', 'exec', 'web', '--', 'cat', '/proc/stat'])).stdout.match(/btime.*/)?.[0];
    await home.json(['vm', 'start', 'web', '--wait', 'system']);
    const before = await booted();
    const since = ({ state }: Vm) => (state.is === 'running' ? state.since : '');
    const ran = since(await show());
    await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'hostnamectl set-hostname shop && reboot']);
    await home.untilVm('web', (vm) => vm.state.is === 'running' && since(vm) !== ran);
    assert.notEqual(await booted(), before);
    const { stdout } = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'hostname; getent hosts web shop']);
    assert.match(stdout, /^shop\n127\.0\.1\.1 +shop web\n127\.0\.1\.1 +shop web\n$/);
  });

  await t.test('a machine that its guest shuts down is stopped, and nobody is blamed', async () => {
    await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo o >/proc/sysrq-trigger']);
    const { state, fault } = await home.untilVm('web', ({ state }) => state.is === 'stopped');
    assert.deepEqual([state.is === 'stopped' && state.why, fault], ['guest', null]);
  });

  await t.test('a machine that runs is only removed by force, and then all of it', async () => {
    await home.json(['vm', 'start', 'web']);
    const refused = await home.run(['vm', 'rm', 'web']);
    assert.match(refused.stderr, /VM_WRONG_STATE/);
    await home.json(['vm', 'rm', '--force', 'web']);
    assert.deepEqual(await home.leftovers(), []);
  });
});
