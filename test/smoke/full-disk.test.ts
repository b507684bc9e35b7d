/** Story: a disk becomes full, the machine's own or the host's, and nothing is lost. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

/** What the host's disk has left when the guest begins to write: less than that */
const ROOM_BYTES = 64 * 2 ** 20;
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

test("the host's disk, with the state on it too, is full while a guest writes", async (t) => {
  const home = await createHome(t);
  const disk = mountSmallDisk(home);
  if (!disk) return t.skip('this host lacks the ability: mount');
  try {
    await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--disk-size', '2G', '--start']);
    disk.takeBlocks({ exceptBytes: ROOM_BYTES });
    const script = `yes banger | head -c ${DATA_BYTES} >/root/data && sync && echo written`;
    await home.run(['vm', 'exec', '--detach', 'web', '--', 'sh', '-c', script]);

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

    await t.test('so it does for a daemon that comes up on the full disk', async () => {
      await home.killDaemon();
      disk.takeBlocks(); // the room that the state keeps was given up, or not: now there is none
      const { fault } = await home.untilVm('web', (vm) => vm.fault !== null);
      assert.equal(fault?.code, 'DISK_FULL');
    });

    await t.test('once there is space it goes on by itself, and nothing was lost', async () => {
      disk.free();
      await home.untilVm('web', (vm) => vm.fault === null);
      const [session] = await home.sessions('web');
      const { code, stdout, stderr } = await home.run(['vm', 'attach', 'web', String(session?.id)]);
      assert.deepEqual([code, stdout], [0, 'written\n'], stderr);
      await home.json(['vm', 'kill', 'web']);
      await home.json(['vm', 'start', 'web']);
      const { stdout: sum } = await home.run(['vm', 'exec', 'web', '--', 'md5sum', '/root/data']);
      const wanted = Buffer.alloc(DATA_BYTES, 'banger\n');
      assert.equal(sum, `${createHash('md5').update(wanted).digest('hex')}  /root/data\n`);
    });
  } finally {
    disk.free();
    await home.run(['vm', 'rm', '--force', 'web']);
    await home.run(['daemon', 'stop']);
    disk.unmount();
  }
});
