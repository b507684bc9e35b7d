/** Story: a Debian 13 host with KVM. The host is a vm of banger's, in which an ordinary user runs this checkout. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TimedCheck } from '@banger/contract/api/doctor.ts';
import type { StopResult, Vm } from '@banger/contract/api/vms.ts';
import { createDebian13Host } from '../support/debian-13-host.ts';
import { findPackageSource } from '../support/package-source.ts';

test('banger on Debian 13 with KVM', async (t) => {
  const beganMs = performance.now();
  const host = await createDebian13Host(t);
  t.diagnostic(`the host is there after ${Math.round((performance.now() - beganMs) / 1000)} s`);
  const show = () => host.json<Vm>(['vm', 'show', 'web']);
  const checks = async () => (await host.json<{ checks: TimedCheck[] }>(['doctor'])).checks;

  await t.test('the doctor finds all that is needed, and KVM not yet proved', async () => {
    assert.match(await host.asUser(['cat', '/etc/os-release']), /^VERSION_ID="13"$/m);
    const found = await checks();
    assert.deepEqual(
      found.filter(({ status }) => status === 'fail'),
      [],
    );
    const kvm = found.find(({ name }) => name === 'kvm');
    assert.match(kvm?.text ?? '', /not yet proved/);
  });

  await t.test('a guest proves KVM, and the machine runs with it', async () => {
    const server = findPackageSource().uri.hostname;
    const script = `uname -r; echo kept >/root/file; getent hosts ${server} && echo resolved; exit 7`;
    const size = ['--cpus', '1', '--memory', '384M'];
    const { code, stdout, stderr } = await host.banger([
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
    const { results } = await host.json<{ results: { result: StopResult }[] }>(['vm', 'stop', 'web']);
    assert.equal(results[0]?.result.how, 'shut-down');
    await host.json(['vm', 'start', 'web']);
    assert.equal((await host.banger(['vm', 'exec', 'web', '--', 'cat', '/root/file'])).stdout, 'kept\n');
  });

  await t.test('a daemon that is killed finds it again', async () => {
    const before = await show();
    const { pid } = await host.json<{ pid: number }>(['daemon', 'status']);
    await host.asRoot(['kill', '-KILL', String(pid)]);
    assert.deepEqual((await show()).state, before.state);
    assert.equal((await host.banger(['vm', 'exec', 'web', '--', 'hostname'])).stdout, 'web\n');
  });

  await t.test('a kernel panic of the guest is told', async () => {
    await host.banger(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo c >/proc/sysrq-trigger']);
    const { fault } = await host.untilVm('web', ({ state }) => state.is === 'stopped');
    assert.match(fault?.message ?? '', /panic/i);
  });

  await t.test('nothing is left', async () => {
    await host.json(['vm', 'rm', 'web']);
    await host.json(['daemon', 'stop']);
    const folders = [`${host.paths.data}/vms`, `${host.paths.runtime}/vms`];
    assert.equal(await host.asRoot(['find', ...folders, '-mindepth', '1']), '');
    assert.equal(await host.asRoot(['sh', '-c', 'pgrep -u mia -a || true']), '');
  });
});
