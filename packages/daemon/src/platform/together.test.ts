import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Task } from './task.ts';
import { together } from './together.ts';

const task = Task.background();

/** Ends when it is cancelled, after its own last words. */
async function untilCancelled(own: Task, lastWords: () => Promise<void> = async () => {}): Promise<never> {
  try {
    return await own.race(new Promise<never>(() => {}));
  } finally {
    await lastWords();
  }
}

test('what each part gives comes back in their order', async () => {
  const { promise: isSecondDone, resolve } = Promise.withResolvers<void>();
  const given = await together(task, [
    async () => {
      await isSecondDone;
      return 'one';
    },
    async () => {
      resolve();
      return 2;
    },
  ]);
  assert.deepEqual(given, ['one', 2]);
});

test('when one fails the others are cancelled and waited for, and its fault is the one that is thrown', async () => {
  const story: string[] = [];
  const failing = together(task, [
    (own) =>
      untilCancelled(own, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        story.push('the other has ended');
      }),
    async () => {
      throw new Error('no room');
    },
  ]);
  await assert.rejects(failing, { message: 'no room' });
  assert.deepEqual(story, ['the other has ended']);
});

test('a part that fails at once, before the others begin to wait', async () => {
  const failing = together(task, [
    () => {
      throw new Error('at once');
    },
    untilCancelled,
  ]);
  await assert.rejects(failing, { message: 'at once' });
});

test('a caller that gives up reads that it did, whatever the parts say to it', async () => {
  const controller = new AbortController();
  const cancelled = together(new Task(controller.signal, () => {}), [
    untilCancelled,
    async (own) => {
      controller.abort();
      assert.ok(own.signal.aborted);
      throw new Error('a pipe broke');
    },
  ]);
  await assert.rejects(cancelled, { code: 'CANCELLED' });
});
