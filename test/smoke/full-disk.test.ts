/** Story: a disk becomes full, the machine's own or the host's, and nothing is lost. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';
import { watchOutput } from '../support/watch-output.ts';

const MIB = 2 ** 20;

test("a machine's own disk is full", async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--disk-size', '256M', '--start']);
  const inside = (script: string) => home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script]);

  await t.test('the writer in it gets an error, and the vm can be used on', async () => {
    const { code, stderr } = await inside('echo kept >/root/file; sync; cat /dev/zero >/root/fill');
    assert.equal(code, 1);
    assert.match(stderr, /No space left on device/);
    assert.equal((await inside('cat /root/file; sync')).stdout, 'kept\n');
    const { fault, diskBytes, diskAllocatedBytes } = await home.json<Vm>(['vm', 'show', 'web']);
    assert.equal(fault, null);
    assert.ok(diskAllocatedBytes <= diskBytes, `${diskAllocatedBytes} of ${diskBytes} bytes`);
  });

  await t.test('with its disk full it stops and starts, and there is space again when files are removed', async () => {
    await home.json(['vm', 'restart', '--timeout', '10', 'web']);
    const { code, stdout, stderr } = await inside('cat /root/file; rm /root/fill; head -c 50M /dev/zero >/root/again');
    assert.deepEqual([code, stdout, stderr], [0, 'kept\n', '']);
  });

  await t.test('and there is more when the disk grows', async () => {
    await home.run(['vm', 'kill', 'web']);
    await home.json(['vm', 'set', 'web', '--disk-size', '512M']);
    await home.json(['vm', 'start', 'web']);
    const { code, stderr } = await inside('head -c 300M /dev/zero >/root/more && sync');
    assert.deepEqual([code, stderr], [0, '']);
  });
});

test("the host's disk is full while a guest writes", async (t) => {
  const home = await createHome(t);
  const folder = join(home.paths.data, 'vms');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (!mountTmpfs(t, folder, '320M')) return t.skip('this host lacks the ability: mount');
  await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--disk-size', '2G', '--start']);
  const show = () => home.json<Vm>(['vm', 'show', 'web']);
  const script = 'head -c 500M /dev/urandom >/root/data && sync && echo written && sha256sum /root/data';
  const writer = watchOutput(home.start(['vm', 'exec', 'web', '--', 'sh', '-c', script]));

  await t.test('the guest waits, and banger says why', async () => {
    const { state, fault } = await home.untilVm('web', (vm) => vm.fault !== null || vm.state.is !== 'running');
    assert.equal(state.is, 'running');
    assert.equal(fault?.code, 'DISK_FULL');
    assert.match((await home.run(['vm', 'show', 'web'])).stdout, /full/);
    const other = await home.run(['vm', 'create', '--name', 'other']);
    assert.match(other.stderr, /\(DISK_FULL\)/);
    assert.equal(other.code, 74);
  });

  await t.test('once there is space it goes on by itself, and nothing was lost', async () => {
    execFileSync('mount', ['-o', 'remount,size=1500M', folder]);
    assert.ok(statfsSync(folder).bavail > 0);
    await home.untilVm('web', (vm) => vm.fault === null);
    const { code, stdout, stderr } = await writer.ended();
    assert.equal(code, 0, stderr);
    const [, hash] = /^written\n([0-9a-f]{64}) /.exec(`${stdout}`) ?? [];
    await home.json(['vm', 'kill', 'web']);
    await home.json(['vm', 'start', 'web']);
    const again = await home.run(['vm', 'exec', 'web', '--', 'sha256sum', '/root/data']);
    assert.equal(again.stdout, `${hash}  /root/data\n`);
    assert.ok((await show()).diskAllocatedBytes > 500 * MIB);
  });

  await home.json(['vm', 'rm', '--force', 'web']);
});

/** Whether this host lets us. It is gone again before the home is. */
function mountTmpfs(t: TestContext, folder: string, size: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return false;
  }
  t.after(() => execFileSync('umount', ['--lazy', folder]));
  return true;
}
