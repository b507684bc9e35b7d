import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readExit, readFailure, readStarted } from './command-messages.ts';

const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const refuses = (read: (payload: Uint8Array) => unknown, value: unknown) =>
  assert.throws(() => read(bytes(value)), { code: 'AGENT_PROTOCOL' }, JSON.stringify(value));

test('what an agent says of its command is read', () => {
  const started = { id: '0a1b2c3d-1', pid: 312, droppedBytes: 0 };
  assert.deepEqual(readStarted(bytes(started)), started);
  for (const exit of [{ code: 0 }, { code: 255 }, { signal: 'KILL' }, { signal: 'USR1' }, { signal: '35' }]) {
    assert.deepEqual(readExit(bytes(exit)), exit);
  }
  const failure = { code: 'COMMAND_NOT_FOUND', message: 'the machine has no command "x"' };
  assert.deepEqual(readFailure(bytes(failure)), failure);
});

test('what no agent says is refused', () => {
  for (const read of [readStarted, readExit, readFailure]) {
    for (const value of ['', '{', 'null', '7', '"x"', '[]', '{}']) refuses(read, value);
  }
  for (const code of [-1, 256, 1.5, '0', null, true, 1e300]) refuses(readExit, { code });
  for (const signal of ['', 'toString', 'kill', '0', '65', '999', 'A'.repeat(13), 9]) refuses(readExit, { signal });
  for (const id of ['', '../x', 'a'.repeat(65), 5]) refuses(readStarted, { id, pid: 1, droppedBytes: 0 });
  refuses(readStarted, { id: 'a', pid: -1, droppedBytes: 0 });
  refuses(readStarted, { id: 'a', pid: 1, droppedBytes: 0.5 });
  refuses(readFailure, { code: 5, message: 'x' });
});

test('a long reason is cut, and said all the same', () => {
  const { code, message } = readFailure(bytes({ code: 'C'.repeat(1000), message: 'm'.repeat(60_000) }));
  assert.deepEqual([code.length, message.length], [64, 1024]);
});
