/** Story: Debian 13 hosts with KVM. Each is a vm of banger's, in which root or an ordinary user runs this checkout. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { TimedCheck } from '@banger/contract/api/doctor.ts';
import type { StopResult, Vm } from '@banger/contract/api/vms.ts';
import { createDebian13Host, type Debian13Host, MIA, ROOT } from '../support/debian-13-host.ts';
import { findPackageSource } from '../support/package-source.ts';

// A host of its own for each, beside one another: one has a single processor, which it keeps busy.
test('banger on Debian 13 with KVM', { concurrency: true }, async (t) => {
  const stories = [ROOT, MIA].map((user) =>
    t.test(`as ${user.name} of Debian 13`, { concurrency: 1 }, async (story) => {
      const beganMs = performance.now();
      const host = await createDebian13Host(story, user);
      story.diagnostic(`the host is there after ${Math.round((performance.now() - beganMs) / 1000)} s`);
      assert.match(await host.asRoot(['cat', '/etc/os-release']), /^VERSION_ID="13"$/m);
      const before = await whatTheHostIs(host);
      await useBanger(story, host);
      await story.test('the host is as it was: mounts, services, journal, routes and addresses', async () => {
        assert.deepEqual(await whatTheHostIs(host), before);
      });
    }),
  );
  await Promise.all(stories);
});

async function useBanger(t: TestContext, host: Debian13Host): Promise<void> {
  const { user } = host;
  const show = () => user.json<Vm>(['vm', 'show', 'web']);
  const checks = async () => (await user.json<{ checks: TimedCheck[] }>(['doctor'])).checks;

  await t.test('the doctor finds all that is needed, and KVM not tried yet', async () => {
    const found = await checks();
    assert.deepEqual(
      found.filter(({ status }) => status === 'fail'),
      [],
    );
    const kvm = found.find(({ name }) => name === 'kvm');
    assert.match(kvm?.text ?? '', /no guest was tried/);
  });

  await t.test('a guest proves KVM, and the machine runs with it', async () => {
    const server = findPackageSource().uri.hostname;
    const script = `uname -r; echo kept >/root/file; getent hosts ${server} && echo resolved; exit 7`;
    const size = ['--cpus', '1', '--memory', '384M'];
    const { code, stdout, stderr } = await user.banger([
      'vm',
      'run',
      '--name',
      'web',
      ...size,
      '--',
      'sh',
      '-c',
      script,
    ]);
    assert.equal(code, 7, stderr);
    assert.doesNotMatch(stdout, /deb13/, 'a kernel of its own');
    assert.match(stdout, /^resolved$/m, 'and a network');
    const { state } = await show();
    assert.equal(state.is, 'running');
    if (state.is !== 'running') return;
    assert.deepEqual([state.driver, state.accel], ['qemu', 'kvm']);
    const commandLine = await host.asRoot(['cat', `/proc/${state.pid}/cmdline`]);
    assert.match(commandLine, /-machine\0microvm,accel=kvm,/);
    assert.equal((await checks()).find(({ name }) => name === 'kvm')?.status, 'pass');
  });

  await t.test('it stops by shutting down, and starts again with its disk', async () => {
    const { results } = await user.json<{ results: { result: StopResult }[] }>(['vm', 'stop', 'web']);
    assert.equal(results[0]?.result.how, 'shut-down');
    await user.json(['vm', 'start', 'web']);
    assert.equal((await user.banger(['vm', 'exec', 'web', '--', 'cat', '/root/file'])).stdout, 'kept\n');
  });

  await t.test('a daemon that is killed finds it again', async () => {
    const before = await show();
    const { pid } = await user.json<{ pid: number }>(['daemon', 'status']);
    await host.asRoot(['kill', '-KILL', String(pid)]);
    assert.deepEqual((await show()).state, before.state);
    assert.equal((await user.banger(['vm', 'exec', 'web', '--', 'hostname'])).stdout, 'web\n');
  });

  await t.test('a kernel panic of the guest is told', async () => {
    await user.banger(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo c >/proc/sysrq-trigger']);
    const { fault } = await user.untilVm('web', ({ state }) => state.is === 'stopped');
    assert.match(fault?.message ?? '', /panic/i);
  });

  await t.test('nothing is left', async () => {
    await user.json(['vm', 'rm', 'web']);
    await user.json(['daemon', 'stop']);
    const folders = [`${user.paths.data}/vms`, `${user.paths.runtime}/vms`];
    assert.equal(await host.asRoot(['find', ...folders, '-mindepth', '1']), '');
    assert.equal(await host.asRoot(['sh', '-c', `pgrep -u ${user.name} -a -f '[t]est-data/' || true`]), '');
  });
}

const READ_HOST = `
  systemctl is-system-running --wait
  systemctl list-units --failed --no-legend
  ls -d /proc/self
  cut -d' ' -f3- /proc/1/mountinfo | sort
  ip -brief address; ip route show table all; ip rule
  echo "$0" | systemd-cat -t host-test && journalctl --sync && journalctl -t host-test -o cat -n 1 | grep -cxF "$0"`;

async function whatTheHostIs(host: Debian13Host): Promise<string[]> {
  const lines = (await host.asRoot(['sh', '-c', READ_HOST, randomUUID()])).split('\n');
  // systemd mounts these when somebody looks, or while a unit runs.
  return lines.filter((line) => !/ \/(run\/(user|credentials)|proc\/sys\/fs\/binfmt_misc)/.test(line));
}
