import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFreeSpace } from './free-space.ts';

const DISK_BYTES = 8 * 2 ** 30;

type Told = { state?: string; features?: string; blocks?: number; blockBytes?: number; groups?: string[] };

const GROUPS = [
  '  Inode table at 130-641 (+130)\n  400 free blocks, 8181 free inodes, 2 directories\n  Free blocks: 700-705, 32391-32767\n  Free inodes: 12-8192',
  '  Inode table at 642-1153 (bg #0 + 642)\n  32254 free blocks, 8192 free inodes, 0 directories\n  Free blocks: 32768-65535\n  Free inodes: 8193-16384',
];

function told({ state = 'clean', features = '', blocks = 2097152, blockBytes = 4096, groups = GROUPS }: Told = {}) {
  return [
    `Filesystem features:      has_journal ext_attr ${features}`,
    `Filesystem state:         ${state}`,
    `Block count:              ${blocks}`,
    'Overhead clusters:        41106',
    'First block:              0',
    `Block size:               ${blockBytes}`,
    '',
    ...groups.map((group, index) => `Group ${index}: (Blocks 0-32767) csum 0xbc6d\n${group}`),
  ].join('\n');
}

test('what adjoins is one range, and what is too small for one is none', () => {
  const { ranges } = readFreeSpace(told(), DISK_BYTES) ?? {};
  assert.deepEqual(ranges, [
    { what: 'free', offset: 32391 * 4096, length: (65535 - 32391 + 1) * 4096 },
    { what: 'empty', offset: 130 * 4096, length: (1153 - 130 + 1) * 4096 },
  ]);
});

test('what files take is all but what is free and what the filesystem takes for itself', () => {
  assert.equal(readFreeSpace(told(), DISK_BYTES)?.usedBytes, (2097152 - 41106 - 400 - 32254) * 4096);
});

test('a filesystem that was not unmounted is not clean', () => {
  assert.equal(readFreeSpace(told(), DISK_BYTES)?.isClean, true);
  for (const state of ['not clean', 'clean with errors']) {
    assert.equal(readFreeSpace(told({ state }), DISK_BYTES)?.isClean, false);
  }
  assert.equal(readFreeSpace(told({ features: 'needs_recovery extent' }), DISK_BYTES)?.isClean, false);
});

test('nothing outside of the disk, of the filesystem or of what is understood is a range', () => {
  const groups = ['  Free blocks: 2097100-2097152, 90000-80000, 5-x, -7, 99999999999999999999-99999999999999999999'];
  assert.deepEqual(readFreeSpace(told({ groups }), DISK_BYTES)?.ranges, []);
  assert.equal(readFreeSpace(told({ blocks: 2097153 }), DISK_BYTES), null);
  assert.equal(readFreeSpace(told({ blockBytes: 2 ** 31 }), DISK_BYTES), null);
  assert.equal(readFreeSpace('', DISK_BYTES), null);
});

test('of very many ranges the largest are taken', () => {
  const line = (from: number, length: number) => `  Free blocks: ${from}-${from + length - 1}`;
  const groups = Array.from({ length: 5000 }, (_, index) => line(index * 100, index === 4999 ? 90 : 20));
  const { ranges = [] } = readFreeSpace(told({ groups }), DISK_BYTES) ?? {};
  assert.equal(ranges.length, 4096);
  assert.equal(ranges[0]?.length, 90 * 4096);
});
