/** On a real ext4, made as the disks of vms are. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { VmId } from '@banger/contract/names.ts';
import type { DriverAbilities } from '../hypervisor/hypervisor.ts';
import { allocatedBytes } from '../platform/files.ts';
import { createLog } from '../platform/log.ts';
import { findByArgument, listProcesses, type ProcessRef } from '../platform/processes.ts';
import { Task } from '../platform/task.ts';
import { createVmFolders } from '../store/vm-folders.ts';
import { createDiskCapability } from './disk.ts';
import { endGivingBack, estimateGiveBack, giveBack } from './give-back.ts';

const MIB = 2 ** 20;
const task = Task.background();

test("what was deleted is the host's again, so is a table of zeros, and what is there is as it was", async (t) => {
  const { disk, write, remove, holds } = await makeDisk(t);
  write('kept', randomBytes(2 * MIB));
  write('deleted', randomBytes(80 * MIB));
  remove('deleted');
  const file = openSync(disk, 'r+');
  writeSync(file, Buffer.alloc(MIB), 0, MIB, 700 * 4096); // as a guest fills tables that nobody has used yet
  closeSync(file);
  const before = await allocatedBytes(disk);
  const about = (await estimateGiveBack(task, [disk])).get(disk) ?? 0;
  const given = await giveBack(task, disk);
  assert.ok('bytes' in given && given.bytes >= 81 * MIB, JSON.stringify(given));
  assert.ok(Math.abs(about - given.bytes) < 16 * MIB, `${about} of ${given.bytes}`);
  assert.equal(await allocatedBytes(disk), before - given.bytes);
  assert.ok(holds('kept'));
  assert.deepEqual(await giveBack(task, disk), { bytes: 0 });
  assert.equal((await estimateGiveBack(task, [disk])).size, 0);
});

test('a disk that cannot be relied on is not touched', async (t) => {
  const { disk, write, remove, edit } = await makeDisk(t, 128 * MIB);
  write('deleted', randomBytes(2 * MIB));
  remove('deleted');
  const good = readFileSync(disk).subarray(0, 4096);
  const kinds: Record<string, () => void> = {
    'a journal that is to be read first': () => edit('feature needs_recovery'),
    'errors that its kernel met': () => edit('set_super_value state 3'),
    'more blocks than it has bytes': () => edit('set_super_value blocks_count 99999999'),
    'blocks of a size that there is not': () => edit('set_super_value log_block_size 30'),
    'groups of no blocks': () => edit('set_super_value blocks_per_group 0'),
    'descriptors somewhere else': () => edit('set_super_value first_data_block 9999'),
    'a superblock of noise': () => overwrite(disk, randomBytes(4096)),
    'no superblock': () => overwrite(disk, Buffer.alloc(4096)),
  };
  for (const [what, spoil] of Object.entries(kinds)) {
    spoil();
    const before = touched(disk);
    const given = await giveBack(task, disk).catch((fault: Error) => ({ obstacle: fault.message }));
    assert.ok('obstacle' in given || given.bytes === 0, what);
    assert.deepEqual(touched(disk), before, what);
    overwrite(disk, good);
  }
  assert.ok('bytes' in (await giveBack(task, disk)));
});

test('cut off at any moment it leaves nothing running, and the disk holds what it held', async (t) => {
  const { disk, tidy, write, remove, holds } = await makeDisk(t);
  const files = Array.from({ length: 16 }, (_, index) => `file-${index}`);
  for (const file of files) write(file, randomBytes(MIB / 4));
  for (const file of files.slice(8)) remove(file);
  let cuts = 0;
  for (let afterMs = 0; ; afterMs = afterMs * 1.3 + 5) {
    const stop = new AbortController();
    const outcome = tidy(task.withSignal(stop.signal)).catch((fault: { code?: string }) => fault.code);
    await Promise.race([delay(afterMs), outcome]);
    stop.abort();
    const isCut = (await outcome) === 'CANCELLED';
    assert.deepEqual(writersOf(disk), []);
    if (!isCut) break;
    cuts++;
  }
  assert.ok(cuts > 0);
  assert.ok(files.slice(0, 8).every(holds));
});

test('what a daemon that was killed left at it is ended, and nobody else who uses the disk', async (t) => {
  const { disk } = await makeDisk(t);
  const left = spawn('nice', ['-n', '19', 'xargs', '-L', '1', 'fallocate', disk], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const other = spawn('tail', ['-f', '/dev/null', disk], { stdio: 'ignore' });
  t.after(() => other.kill());
  await Promise.all([once(left, 'spawn'), once(other, 'spawn')]);
  const ended = once(left, 'exit');
  await endGivingBack(new Set([disk]));
  assert.deepEqual((await ended)[1], 'SIGKILL');
  assert.equal(findByArgument(disk).length, 1);
});

async function makeDisk(t: TestContext, diskBytes = 20 * 2 ** 30) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-give-back-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const folders = createVmFolders({ dataFolder: folder, runtimeFolder: folder });
  const vm = { id: '0123456789ab' as VmId, name: 'web', diskBytes };
  const capability = createDiskCapability({ folders, log: createLog(() => {}) });
  await capability.create(task, vm);
  const { disk } = folders.of(vm.id);
  const contents = new Map<string, Buffer>();
  const edit = (request: string) =>
    execFileSync('/usr/sbin/debugfs', ['-w', '-R', request, disk], { stdio: ['ignore', 'pipe', 'ignore'] });
  const tidy = (own: Task) => capability.tidy(own, vm, { givesBackSpace: false } as DriverAbilities);
  return { disk, tidy, edit, write, remove: (name: string) => edit(`rm ${name}`), holds };

  function write(name: string, content: Buffer): void {
    const source = join(folder, 'source');
    writeFileSync(source, content);
    edit(`write ${source} ${name}`);
    contents.set(name, content);
  }

  /** Whether a file is as it was written, on a filesystem without a fault. */
  function holds(name: string): boolean {
    const copy = join(folder, 'copy');
    edit(`dump ${name} ${copy}`);
    return readFileSync(copy).equals(contents.get(name) as Buffer);
  }
}

function overwrite(path: string, start: Buffer): void {
  const file = openSync(path, 'r+');
  writeSync(file, start, 0, start.length, 0);
  closeSync(file);
}

/** What changes with any change of it */
function touched(path: string): bigint[] {
  const { mtimeNs, ctimeNs, blocks } = statSync(path, { bigint: true });
  return [mtimeNs, ctimeNs, blocks];
}

/** Those that may change it */
function writersOf(disk: string): ProcessRef[] {
  return listProcesses(({ argv }) => argv.includes('fallocate') && argv.includes(disk));
}
