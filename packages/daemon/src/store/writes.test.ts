import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '../platform/log.ts';
import { createWrites } from './writes.ts';

const log: Log = { info: () => {}, warn: () => {} };
const reserve = { release: () => false, releaseWhenLow: () => {}, fill: () => {}, isFull: () => true };
const failing = (errcode: number) => () => {
  throw Object.assign(new Error('sqlite'), { errcode });
};

test('a change in memory that contradicts the state is dropped, and holds up no other', () => {
  const writes = createWrites({ reserve, log, onWrite: () => {} });
  const written: string[] = [];
  let isFull = true;
  const whenRoom = (what: () => void) => () => (isFull ? failing(13)() : what());
  writes.whenPossible('a', whenRoom(failing(19)));
  writes.whenPossible(
    'b',
    whenRoom(() => written.push('b')),
  );
  isFull = false;
  writes.now('c', () => written.push('c'));
  assert.deepEqual(written, ['b', 'c']);
  writes.stop();
});
