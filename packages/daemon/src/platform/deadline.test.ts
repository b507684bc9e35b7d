import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { abortError } from '@banger/contract/errors.ts';
import { countDown, deadlineAfter } from './deadline.ts';

test('a deadline passes, not too soon, and is told as one', async () => {
  const beganMs = performance.now();
  const signal = deadlineAfter(40);
  await once(signal, 'abort');
  assert.ok(performance.now() - beganMs >= 40);
  assert.equal(abortError(signal, '').code, 'TIMED_OUT');
});

test('what lies there unread because this process stood still is not late', async () => {
  const signal = deadlineAfter(80);
  standStill(200);
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(signal.aborted, false);
});

test('a countdown that is begun anew has its whole time again, and one that is stopped does nothing', async () => {
  const ended: string[] = [];
  const end = Promise.withResolvers<void>();
  const again = countDown(60, () => end.resolve());
  countDown(80, () => ended.push('stopped')).stop();
  let restartedMs = 0;
  for (let restarts = 0; restarts < 10; restarts += 1) {
    await setTimeout(10);
    again.restart();
    restartedMs = performance.now();
  }
  await end.promise;
  assert.ok(performance.now() - restartedMs >= 60);
  assert.deepEqual(ended, []);
});

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
