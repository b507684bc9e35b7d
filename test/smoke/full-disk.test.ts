/** Story: a disk becomes full, the machine's own or the host's, and nothing is lost. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';
import { watchOutput } from '../support/watch-output.ts';

/** A little more than a new disk asks for; most of it is then taken, so that the guest meets the end soon */
const HOST_SPACE = '290M';
const TAKEN = '210M';
const DATA_BYTES = 96 * 2 ** 20;

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
});

test("the host's disk is full while a guest writes", async (t) => {
  const home = await createHome(t);
  const folder = join(home.paths.data, 'vms');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (!mountTmpfs(folder)) return t.skip('this host lacks the ability: mount');
  try {
    await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--disk-size', '2G', '--start']);
    execFileSync('fallocate', ['-l', TAKEN, join(folder, 'taken')]);
    const script = `yes banger | head -c ${DATA_BYTES} >/root/data && sync && echo written`;
    const writer = watchOutput(home.start(['vm', 'exec', 'web', '--', 'sh', '-c', script]));

    await t.test('the guest waits, and banger says why', async () => {
      const { state, fault } = await home.untilVm('web', (vm) => vm.fault !== null || vm.state.is !== 'running');
      assert.equal(state.is, 'running');
      assert.equal(fault?.code, 'DISK_FULL');
      assert.match((await home.run(['vm', 'show', 'web'])).stdout, /state: +stalled[\s\S]*full/);
      assert.match((await home.run(['vm', 'ls'])).stdout, /web +stalled/);
      const other = await home.run(['vm', 'create', '--name', 'other']);
      assert.match(other.stderr, /\(DISK_FULL\)/);
      assert.equal(other.code, 74);
    });

    await t.test('once there is space it goes on by itself, and nothing was lost', async () => {
      execFileSync('mount', ['-o', 'remount,size=1G', folder]);
      const { code, stdout, stderr } = await writer.ended();
      assert.deepEqual([code, `${stdout}`], [0, 'written\n'], stderr);
      await home.untilVm('web', (vm) => vm.fault === null);
      await home.json(['vm', 'kill', 'web']);
      await home.json(['vm', 'start', 'web']);
      const { stdout: sum } = await home.run(['vm', 'exec', 'web', '--', 'md5sum', '/root/data']);
      const wanted = Buffer.alloc(DATA_BYTES, 'banger\n');
      assert.equal(sum, `${createHash('md5').update(wanted).digest('hex')}  /root/data\n`);
    });

    await home.json(['vm', 'rm', '--force', 'web']);
    await rm(join(folder, 'taken'));
  } finally {
    execFileSync('umount', ['--lazy', folder]);
  }
});

/** Whether this host lets us. */
function mountTmpfs(folder: string): boolean {
  const options = `size=${HOST_SPACE},mode=0700`;
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]).status === 0;
}
