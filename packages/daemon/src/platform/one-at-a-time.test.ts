import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOneAtATime } from './one-at-a-time.ts';
import { Task } from './task.ts';

const task = Task.background();

test('work under one key runs in order, one at a time', async () => {
  const queue = createOneAtATime();
  const story: string[] = [];
  const work = (name: string) =>
    queue.run(task, 'web', async () => {
      story.push(`${name} begins`);
      await Promise.resolve();
      story.push(`${name} ends`);
    });
  await Promise.all([work('a'), work('b')]);
  assert.deepEqual(story, ['a begins', 'a ends', 'b begins', 'b ends']);
});

test('work under different keys runs side by side', async () => {
  const queue = createOneAtATime();
  const { promise: bothBegan, resolve } = Promise.withResolvers<void>();
  const slow = queue.run(task, 'a', () => bothBegan);
  await queue.run(task, 'b', async () => resolve());
  await slow;
});

test('failed work lets the next one go on', async () => {
  const queue = createOneAtATime();
  const failing = queue.run(task, 'web', () => Promise.reject(new Error('no')));
  const next = queue.run(task, 'web', async () => 'yes');
  await assert.rejects(failing, { message: 'no' });
  assert.equal(await next, 'yes');
});

test('a task that is cancelled while it waits leaves the queue, and the others keep their order', async () => {
  const queue = createOneAtATime();
  const controller = new AbortController();
  const first = Promise.withResolvers<void>();
  let hasFirstEnded = false;
  const running = queue.run(task, 'web', async () => {
    await first.promise;
    hasFirstEnded = true;
  });
  const waiting = queue.run(new Task(controller.signal, () => {}), 'web', async () => assert.fail('it was cancelled'));
  const last = queue.run(task, 'web', async () => hasFirstEnded);
  controller.abort();
  await assert.rejects(waiting, { code: 'CANCELLED' });
  first.resolve();
  await running;
  assert.equal(await last, true);
});
