/** What a guest has deleted comes back after its run, on a hypervisor that does not give it back meanwhile. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { DiskSpace } from '@banger/contract/api/disk-space.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { findByArgument, killProcess, listProcesses } from '../../packages/daemon/src/platform/processes.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

const MIB = 2 ** 20;
const DELETED_BYTES = 80 * MIB;

type Home = Awaited<ReturnType<typeof createFakeHome>>;

/** A vm that runs, and what its guest would do with its disk */
async function createVm(home: Home) {
  const { id } = await home.json<Vm>(['vm', 'create', '--name', 'web', '--driver', 'firecracker', '--start']);
  const disk = join(home.paths.data, 'vms', id, 'disk.ext4');
  const edit = (request: string) => execFileSync('/usr/sbin/debugfs', ['-w', '-R', request, disk], { stdio: 'pipe' });
  const source = join(home.folder, 'source');
  const taken = () => statSync(disk).blocks * 512;
  return {
    ...{ disk, edit, taken },
    keep: (text: string) => {
      writeFileSync(source, text);
      edit(`write ${source} kept`);
    },
    kept: () => edit('cat kept').toString(),
    writeAndDelete: () => {
      writeFileSync(source, noise());
      edit(`write ${source} deleted`);
      edit('rm deleted');
    },
    untilGivenBack: async (before: number) => {
      while (taken() > before - DELETED_BYTES) await delay(10);
    },
    writers: () => listProcesses(({ argv }) => argv.includes('fallocate') && argv.includes(disk)),
  };
}

/** Without a block of zeros, which would be a hole at once */
function noise(): Buffer {
  return Buffer.alloc(DELETED_BYTES, 'not a zero');
}

test('what was deleted on a driver that keeps it comes back after the run', async (t) => {
  const home = await createFakeHome(t, {}, 'firecracker');
  const vm = await createVm(home);
  vm.keep('this stays');
  vm.writeAndDelete();
  const logged = async (words: RegExp) => {
    while (!words.test(readFileSync(join(home.paths.state, 'daemon.log'), 'utf8'))) await delay(10);
  };

  await t.test('system df says how much that will be', async () => {
    const { uses } = await home.json<DiskSpace>(['system', 'df']);
    const comesBack = uses.find(({ kind }) => kind === 'vm')?.comesBackBytes ?? 0;
    assert.ok(Math.abs(comesBack - DELETED_BYTES) < 24 * MIB, String(comesBack));
    assert.match((await home.run(['system', 'df'])).stderr, /^About \d+.*M of "web" was deleted in there/m);
  });

  await t.test('it is there after a stop, with what was not deleted, and is told no more', async () => {
    const before = vm.taken();
    await home.json(['vm', 'stop', 'web']);
    await vm.untilGivenBack(before);
    await logged(/vm web: its disk gave back 8\d\.?\d?M/);
    assert.equal(vm.kept(), 'this stays');
    const { uses } = await home.json<DiskSpace>(['system', 'df']);
    assert.ok(uses.every(({ comesBackBytes }) => comesBackBytes === null));
  });

  await t.test('a start right after a stop has the disk to itself', async () => {
    await home.json(['vm', 'start', 'web']);
    vm.writeAndDelete();
    await home.json(['vm', 'stop', 'web']);
    await home.json(['vm', 'start', 'web']);
    assert.deepEqual(vm.writers(), []);
    assert.equal(vm.kept(), 'this stays');
  });

  await t.test('a disk that was not unmounted keeps it', async () => {
    vm.edit('feature needs_recovery');
    const before = vm.taken();
    await home.json(['vm', 'kill', 'web']);
    await logged(/vm web: its disk keeps what was deleted, since it was not shut down/);
    assert.equal(vm.taken(), before);
    vm.edit('feature -needs_recovery');
  });

  await t.test('a superblock that the guest has made up ends nothing', async () => {
    await home.json(['vm', 'start', 'web']);
    const file = openSync(vm.disk, 'r+');
    const good = Buffer.alloc(4096);
    readSync(file, good, 0, good.length, 0);
    writeSync(file, Buffer.alloc(4096, 0xff), 0, 4096, 0);
    await home.json(['vm', 'stop', 'web']);
    await logged(/vm web: its disk keeps what was deleted, since there is no ext4/);
    await home.json(['vm', 'start', 'web']);
    writeSync(file, good, 0, good.length, 0);
    closeSync(file);
  });

  await t.test(
    'a daemon that comes later ends what was left at it, and does it for a machine that has ended',
    async () => {
      vm.writeAndDelete();
      const before = vm.taken();
      await home.killDaemon();
      for (const machine of findByArgument(join(home.paths.runtime, 'vms'))) await killProcess(machine);
      const left = spawn('xargs', ['-L', '1', 'fallocate', vm.disk], { stdio: ['pipe', 'ignore', 'ignore'] });
      await once(left, 'spawn');
      const ended = once(left, 'exit');
      await home.run(['vm', 'ls']);
      assert.equal((await ended)[1], 'SIGKILL');
      await vm.untilGivenBack(before);
      assert.equal(vm.kept(), 'this stays');
    },
  );
});

test('on a disk that is full what was deleted comes back all the same', async (t) => {
  const home = await createFakeHome(t, {}, 'firecracker');
  const small = mountSmallDisk(home);
  if (!small) return t.skip('this host lacks the ability: mount');
  try {
    const vm = await createVm(home);
    vm.writeAndDelete();
    small.takeBlocks();
    const before = vm.taken();
    await home.json(['vm', 'kill', 'web']);
    await vm.untilGivenBack(before);
  } finally {
    small.free();
    await home.run(['vm', 'rm', '--force', 'web']);
    await home.run(['daemon', 'stop']);
    await cp(join(home.paths.state, 'daemon.log'), join(home.paths.logs, 'daemon.log'));
    small.unmount();
  }
});
