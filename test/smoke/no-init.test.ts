/** Story: an image without an init runs all the same, with the agent as its first process. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Image } from '@banger/contract/api/images.ts';
import type { StopResult, Vm } from '@banger/contract/api/vms.ts';
import { giveBack } from '../../packages/daemon/src/capabilities/give-back.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { createHome } from '../support/banger-home.ts';
import { sampleEntry, writeBusyboxTarball } from '../support/busybox-image.ts';
import { findPackageSource } from '../support/package-source.ts';
import { watchOutput } from '../support/watch-output.ts';

test('an image that has no init', async (t) => {
  const home = await createHome(t);
  const tarball = join(home.folder, 'busybox.tar');
  await writeBusyboxTarball(tarball);
  const image = await home.json<Image>(['image', 'import', 'busybox', tarball]);
  const small = ['--image', 'busybox', '--memory', '128M', '--disk-size', '256M'];
  await home.json(['vm', 'create', '--name', 'tiny', ...small, '--start']);
  const inside = async (script: string) => home.run(['vm', 'exec', 'tiny', '--', 'sh', '-c', script]);
  const show = () => home.json<Vm>(['vm', 'show', 'tiny']);

  await t.test('the agent is its first process, and commands run', async () => {
    const { stdout } = await inside('cat /proc/1/comm; hostname; id -u; echo $HOME');
    assert.match(stdout, /^(banger-agent|init)\ntiny\n0\n\/root\n$/);
    assert.equal((await inside('exit 42')).code, 42);
    assert.equal((await inside('kill -TERM $$')).code, 128 + 15);
    const missing = await home.run(['vm', 'exec', 'tiny', '--', 'bash']);
    assert.match(missing.stderr, /\(COMMAND_NOT_FOUND\)/);
    assert.equal(missing.code, 127);
  });

  await t.test('orphans are taken in when they end', async () => {
    const orphans = 'for n in 1 2 3 4 5; do sh -c "sleep 0.2 & true"; done; sh -c "sleep 4321 >/dev/null 2>&1 & true"';
    assert.equal((await inside(orphans)).code, 0);
    const processes = ['vm', 'exec', 'tiny', '--', 'sh', '-c', 'ps; grep -h ^State: /proc/[0-9]*/status'];
    const { stdout } = await home.untilOutput(processes, (output) => !/sleep 0\.2|zombie/.test(output.stdout));
    assert.match(stdout, /sleep 4321/);
  });

  await t.test('an agent that is killed comes back, and its commands are told as lost', async () => {
    const session = (await home.run(['vm', 'exec', '--detach', 'tiny', '--', 'sleep', '5000'])).stdout.trim();
    const command = home.start(['vm', 'exec', 'tiny', '--', 'sh', '-c', 'echo up; sleep 5000']);
    const output = watchOutput(command);
    await output.until('up');
    await inside('kill -9 -1');
    const lost = await output.ended();
    assert.match(lost.stderr, /\((SESSION|VM)_LOST\)/);
    assert.equal(lost.code, 70);
    assert.equal((await inside('echo back; kill -9 $(pidof banger-agent | tr " " "\\n" | grep -vx 1)')).code, 70);
    assert.equal((await inside('echo again')).stdout, 'again\n');
    assert.deepEqual(await home.sessions('tiny'), []);
    const attached = await home.run(['vm', 'attach', 'tiny', session]);
    assert.match(attached.stderr, /was lost when the agent ended.*\(SESSION_NOT_FOUND\)/);
    assert.equal((await show()).fault, null);
    assert.doesNotMatch((await inside('cat /proc/mounts')).stdout, /banger\/group/);
  });

  await t.test('it has the network, names included', async () => {
    assert.match(
      (await inside('ip -4 addr show dev eth0; ip route')).stdout,
      /inet 10\.0\.2\.15\/24[\s\S]*default via 10\.0\.2\.2/,
    );
    const { code, stdout, stderr } = await inside(`wget -q -O - ${archiveIndex()} | grep ^Origin:`);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Origin: \S/);
  });

  await t.test('it shuts down when it is asked to, although something still runs in it', async () => {
    await inside('echo kept >/root/file; echo also >/etc/mine');
    const { results } = await home.json<{ results: { result: StopResult }[] }>([
      'vm',
      'stop',
      '--timeout',
      '10',
      'tiny',
    ]);
    assert.equal(results[0]?.result.how, 'shut-down');
    const disk = join(home.paths.data, 'vms', (await show()).id, 'disk.ext4');
    assert.deepEqual(Object.keys(await giveBack(Task.background(), disk)), ['bytes'], 'it was unmounted');
    // There is no init to wait for
    await home.json(['vm', 'start', '--wait', 'system', 'tiny']);
    await home.json(['vm', 'restart', '--timeout', '10', '--wait', 'system', 'tiny']);
    assert.equal((await inside('cat /root/file /etc/mine')).stdout, 'kept\nalso\n');
  });

  await t.test('its name may come to mean another image, and the vm keeps its own', async () => {
    await writeBusyboxTarball(tarball, [sampleEntry({ name: 'etc/second', mode: 0o644, content: 'new\n' })]);
    const sent = await home.run(['image', 'import', 'busybox', '-', '--json'], { stdin: await readFile(tarball) });
    const second = JSON.parse(sent.stdout) as Image;
    assert.notEqual(second.digest, image.digest);
    await home.json(['vm', 'restart', '--timeout', '10', 'tiny']);
    assert.equal((await show()).image.digest, image.digest);
    assert.equal((await inside('ls /etc/second 2>/dev/null; cat /root/file')).stdout, 'kept\n');

    const { stdout } = await home.run(['vm', 'run', '--rm', ...small, '--', 'cat', '/etc/second']);
    assert.equal(stdout, 'new\n');
  });

  await t.test('the base of a vm stays as long as the vm does, whatever happens to the name', async () => {
    const bases = async () => (await home.run(['image', 'ls', '--json'])).stdout;
    await home.json(['image', 'rm', 'busybox']);
    assert.doesNotMatch(await bases(), /busybox/);
    await home.json(['vm', 'restart', '--timeout', '10', 'tiny']);
    assert.equal((await inside('cat /root/file')).stdout, 'kept\n');
    await home.json(['vm', 'rm', '--force', 'tiny']);
    assert.deepEqual(await home.leftovers(), []);
  });
});

/** A file that is sure to be outside: the index of the archive that this host's own apt uses. */
function archiveIndex(): string {
  const { uri, release } = findPackageSource();
  return `${uri.href.replace(/\/+$/, '')}/dists/${release}/InRelease`;
}
