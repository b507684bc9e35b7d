import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeExit } from './describe-exit.ts';

const NONE = { process: null, log: null, goodbye: null, isKilled: false, hasHalted: false };
const ended = (code: number | null, signal: NodeJS.Signals | null = null) => ({ code, signal });

test('a machine that ends with code 0 was reset by its guest, unless that said that it powers off', () => {
  assert.deepEqual(describeExit({ ...NONE, process: ended(0) }), { by: 'guest', how: 'reset', detail: 'guest reset' });
  assert.deepEqual(describeExit({ ...NONE, process: ended(0), goodbye: 'power-off' }), {
    ...{ by: 'guest', how: 'power-off', detail: 'guest power-off' },
  });
});

test('one that was killed was so by the host, whatever else is known', () => {
  assert.deepEqual(describeExit({ ...NONE, process: ended(0), goodbye: 'power-off', isKilled: true }).by, 'host');
});

test('one that was ended since its guest had halted was powered off by that', () => {
  const exit = { by: 'guest', how: 'power-off', detail: 'guest halted' };
  assert.deepEqual(describeExit({ ...NONE, process: ended(137), hasHalted: true }), exit);
});

test('any other code is a loss, and is told in words', () => {
  const detailOf = (code: number) => describeExit({ ...NONE, process: ended(code), goodbye: 'reset' });
  for (const [code, words] of [
    [1, /guest met a fault/],
    [148, /system call/],
    [149, /SIGBUS.*out of memory/],
    [151, /file became larger/],
    [157, /instruction that this processor does not have/],
    [42, /code 42$/],
  ] as const) {
    assert.equal(detailOf(code).by, 'lost');
    assert.match(detailOf(code).detail, words);
  }
});

test('a signal is told as that, by whichever way it becomes known', () => {
  assert.match(describeExit({ ...NONE, process: ended(null, 'SIGKILL') }).detail, /ended by SIGKILL$/);
  assert.match(describeExit({ ...NONE, process: ended(137) }).detail, /ended by signal 9$/);
});

test('of a process that an earlier daemon started the log tells how it ended, or the guest', () => {
  assert.equal(describeExit({ ...NONE, log: ended(0) }).by, 'guest');
  assert.match(describeExit({ ...NONE, log: ended(148) }).detail, /system call/);
  assert.deepEqual(describeExit({ ...NONE, goodbye: 'reset' }).by, 'guest');
  assert.deepEqual(describeExit(NONE), { by: 'lost', detail: 'Firecracker ended without a word' });
});
