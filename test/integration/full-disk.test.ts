/** The host's disk takes no writes: it is full, has no inodes, or is read-only; and it holds the state as well. */
import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DriverName, Vm } from '@banger/contract/api/vms.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { mountSmallDisk, type SmallDisk, type SmallDiskOptions } from '../support/small-disk.ts';

type Home = Awaited<ReturnType<typeof createFakeHome>>;
type Obstacle = 'full' | 'without inodes';

const OBSTACLES: Record<Obstacle, { inodes?: number; take: (disk: SmallDisk) => void }> = {
  full: { take: (disk) => disk.takeBlocks() },
  'without inodes': { inodes: 150, take: (disk) => disk.takeInodes() },
};

async function withSmallDisk(
  t: TestContext,
  { driver, ...options }: SmallDiskOptions & { driver?: DriverName },
  story: (home: Home, disk: SmallDisk) => Promise<void>,
): Promise<void> {
  const home = await createFakeHome(t, {}, driver);
  const disk = mountSmallDisk(home, options);
  if (!disk) return t.skip('this host lacks the ability: mount');
  try {
    await story(home, disk);
  } finally {
    disk.free();
    await home.run(['vm', 'rm', '--force', ...(await namesOf(home))]);
    await home.run(['daemon', 'stop']);
    await cp(join(home.paths.state, 'daemon.log'), join(home.paths.logs, 'daemon.log'));
    disk.unmount();
  }
}

async function namesOf(home: Home): Promise<string[]> {
  return (await home.json<{ vms: Vm[] }>(['vm', 'ls'])).vms.map(({ name }) => name);
}

async function stateOf(home: Home, name: string): Promise<string> {
  return (await home.json<Vm>(['vm', 'show', name])).state.is;
}

for (const [what, { take, ...options }] of Object.entries(OBSTACLES)) {
  test(`on a disk that is ${what}, what frees space works, also by a daemon that comes up on it`, async (t) => {
    await withSmallDisk(t, options, async (home, disk) => {
      for (const name of ['a', 'b', 'c', 'd']) await home.json(['vm', 'create', '--name', name, '--start']);
      take(disk);
      assert.equal((await home.run(['vm', 'exec', 'a', '--', 'echo', 'used'])).stdout, 'used\n');
      await home.json(['vm', 'stop', 'a']);
      await home.json(['vm', 'kill', 'b']);
      assert.deepEqual([await stateOf(home, 'a'), await stateOf(home, 'b')], ['stopped', 'stopped']);

      await home.killDaemon();
      take(disk); // what the reserve gave up is gone as well
      assert.equal(await stateOf(home, 'c'), 'running', 'it comes up, and has its machines');
      await home.json(['vm', 'rm', '--force', 'a', 'c']);
      await home.json(['system', 'prune']);
      await home.json(['daemon', 'stop']); // which takes SQLite's files away
      if (what === 'full') {
        take(disk);
        assert.equal(await stateOf(home, 'd'), 'running', 'and where neither those nor the reserve find room');
      }
      disk.free();
      assert.deepEqual(await namesOf(home), ['b', 'd']);
      assert.deepEqual([await stateOf(home, 'b'), await stateOf(home, 'd')], ['stopped', 'running']);
    });
  });

  test(`on a disk that is ${what}, each thing that needs space is refused with a code and leaves nothing`, async (t) => {
    await withSmallDisk(t, options, async (home, disk) => {
      await home.json(['vm', 'create', '--name', 'still']);
      await home.json(['vm', 'create', '--name', 'runs', '--start']);
      await home.run(['daemon', 'stop']);
      take(disk);
      await home.run(['vm', 'ls']); // a daemon that took the reserve
      take(disk);
      for (const args of [
        ['vm', 'create', '--name', 'new'],
        ['vm', 'create', '--name', 'new', '--start'],
        ['vm', 'set', '--cpus', '3', 'still'],
        ['vm', 'commit', 'still', 'tiny'],
        ['vm', 'run', '--rm', '--', 'true'],
        ['doctor', '--boot'],
      ]) {
        const { code, stdout, stderr } = await home.run(args);
        const said = `banger ${args.join(' ')}: ${code} ${stdout}${stderr}`;
        assert.doesNotMatch(said, /INTERNAL|Error:|\n {4}at /);
        if (code !== 0) assert.match(said, /DISK_FULL|There is no room on the disk/);
      }
      const names = await namesOf(home);
      assert.deepEqual(
        names.filter((name) => !['still', 'runs', 'new'].includes(name)),
        [],
      );
      assert.equal((await home.run(['vm', 'exec', 'runs', '--', 'echo', 'goes on'])).stdout, 'goes on\n');
      assert.deepEqual(
        readdirSync(join(home.paths.data, 'vms')).length,
        names.length,
        'no folder of a vm that was refused is left',
      );
      disk.free();
      await home.json(['vm', 'start', 'still']);
    });
  });
}

test('a machine on Firecracker waits while the disk is full, whichever daemon looks, can be ended, and goes on', async (t) => {
  // With room above what is kept free for a machine
  await withSmallDisk(t, { driver: 'firecracker', sizeMib: 400 }, async (home, disk) => {
    await home.json(['vm', 'create', '--name', 'web', '--start']);
    const faultOf = ({ fault }: Vm) => fault?.code;
    disk.takeBlocks();
    await home.untilVm('web', (vm) => faultOf(vm) === 'DISK_FULL');
    await home.killDaemon();
    const found = await home.json<Vm>(['vm', 'show', 'web']);
    assert.deepEqual([found.state.is, faultOf(found)], ['running', 'DISK_FULL'], 'it is no silent one');
    disk.free();
    await home.untilVm('web', (vm) => vm.fault === null);
    assert.equal((await home.run(['vm', 'exec', 'web', '--', 'echo', 'goes on'])).stdout, 'goes on\n');

    disk.takeBlocks();
    await home.untilVm('web', (vm) => faultOf(vm) === 'DISK_FULL');
    await home.json(['vm', 'kill', 'web']);
    assert.match((await home.run(['vm', 'start', 'web'])).stderr, /DISK_FULL/);
    assert.equal(await stateOf(home, 'web'), 'stopped');
  });
});

test('a log that cannot be written ends nothing', async (t) => {
  await withSmallDisk(t, {}, async (home, disk) => {
    for (const name of ['web', 'other']) await home.json(['vm', 'create', '--name', name, '--start']);
    const pid = await home.daemonPid();
    const log = join(home.paths.state, 'daemon.log');
    disk.takeBlocks();
    await home.json(['vm', 'stop', 'web']); // the reserve is given up for it
    disk.takeBlocks();
    const roomBytes = 4096 - (statSync(log).size % 4096);
    appendFileSync(log, 'x'.repeat(roomBytes)); // its last block is full
    const before = statSync(log).size;
    await home.json(['vm', 'stop', 'other']);
    assert.equal(statSync(log).size, before, 'nothing could be written');
    assert.equal(await home.daemonPid(), pid);
  });
});

test('a state that can only be read is told as that, with what to do', async (t) => {
  await withSmallDisk(t, {}, async (home, disk) => {
    await home.json(['vm', 'create', '--name', 'web']);
    await home.run(['daemon', 'stop']);
    disk.setReadOnly(true);
    const { code, stderr } = await home.run(['vm', 'ls']);
    disk.setReadOnly(false);
    assert.match(stderr, /DISK_READ_ONLY[\s\S]*hint: Mount it for writing/);
    assert.equal(code, 74);
    writeFileSync(join(home.paths.data, 'vms', 'file'), '');
    assert.deepEqual(await namesOf(home), ['web']);
    await home.json(['system', 'prune', 'vms/file']);
  });
});
