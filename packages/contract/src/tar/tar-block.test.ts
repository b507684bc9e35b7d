import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTarBlock, writeTarBlock } from './tar-block.ts';

test('a block gives back what was written, numbers too large for octal and below zero included', () => {
  const fields = {
    name: 'a/b',
    linkName: 'c',
    mode: 0o1755,
    uid: 2_000_000_000,
    gid: 7,
    type: '0',
    deviceMajor: 8,
    deviceMinor: 2 ** 20,
  };
  for (const [sizeBytes, mtimeSeconds] of [
    [0, 0],
    [8 ** 11 - 1, 8 ** 11],
    [8 ** 11, -1],
    [Number.MAX_SAFE_INTEGER, -(2 ** 40)],
  ] as const) {
    assert.deepEqual(readTarBlock(writeTarBlock({ ...fields, sizeBytes, mtimeSeconds })), {
      ...fields,
      sizeBytes,
      mtimeSeconds,
    });
  }
});

test('a name that is not UTF-8 keeps its bytes', () => {
  const block = writeTarBlock({ name: 'a\udcffb', type: '0' });
  assert.deepEqual([...block.subarray(0, 4)], [0x61, 0xff, 0x62, 0]);
  assert.equal(readTarBlock(block)?.name, 'a\udcffb');
});

test('a block with a changed byte is none', () => {
  const block = writeTarBlock({ name: 'a', type: '0' });
  block[0] = 0x62;
  assert.equal(readTarBlock(block), null);
});
