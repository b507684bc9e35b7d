import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Task } from './task.ts';

const forever = new Promise<never>(() => {});

test('a deadline that passes is told as one, and never as a cancellation', async () => {
  const late = Task.background().withSignal(AbortSignal.timeout(1));
  await assert.rejects(late.race(forever), { code: 'TIMED_OUT' });
  assert.throws(() => late.check(), { code: 'TIMED_OUT' });
  const within = late.withSignal(new AbortController().signal);
  await assert.rejects(within.race(forever), { code: 'TIMED_OUT' });
});

test('whoever gives up before a deadline has cancelled', async () => {
  const giving = new AbortController();
  const task = Task.background().withSignal(giving.signal).withSignal(AbortSignal.timeout(60_000));
  const waiting = task.race(forever);
  giving.abort();
  await assert.rejects(waiting, { code: 'CANCELLED' });
  assert.throws(() => task.check(), { code: 'CANCELLED' });
});
