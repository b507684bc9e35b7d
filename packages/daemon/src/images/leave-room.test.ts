import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { leaveRoom } from './leave-room.ts';

const PIECES = Array.from({ length: 10 }, () => Buffer.alloc(1000, 'x'));
const sent = () => Readable.from(PIECES, { objectMode: false });

test('where there is room, everything passes', async () => {
  const passed = leaveRoom(sent(), tmpdir(), { leftBytes: 0, stepBytes: 2500 });
  assert.ok((await buffer(passed)).equals(Buffer.concat(PIECES)));
});

test('where the disk becomes full both sides end, and hear of it', async () => {
  const from = new PassThrough();
  from.write(Buffer.concat(PIECES));
  const passed = leaveRoom(from, tmpdir(), { leftBytes: Number.POSITIVE_INFINITY, stepBytes: 2500 });
  await assert.rejects(buffer(passed), { code: 'DISK_FULL' });
  assert.equal((from.errored as { code?: string } | null)?.code, 'DISK_FULL');
});

test('what is small passes on a disk with little room', async () => {
  const passed = leaveRoom(sent(), tmpdir(), { leftBytes: Number.POSITIVE_INFINITY, stepBytes: 10_001 });
  assert.equal((await buffer(passed)).length, 10_000);
});
