/** Work on one thing queues, work on different things runs side by side. */
import type { Task } from './task.ts';

export type OneAtATime = ReturnType<typeof createOneAtATime>;

export function createOneAtATime() {
  const tails = new Map<string, Promise<unknown>>();
  return { run };

  /** Runs `work` after all that was queued under `key` before. A task cancelled while it waits leaves the queue. */
  async function run<Value>(task: Task, key: string, work: () => Promise<Value>): Promise<Value> {
    const before = tails.get(key) ?? Promise.resolve();
    const { promise: turnEnded, resolve: endTurn } = Promise.withResolvers<void>();
    const tail = before.then(() => turnEnded);
    tails.set(key, tail);
    try {
      await task.race(before);
      return await work();
    } finally {
      endTurn();
      if (tails.get(key) === tail) tails.delete(key);
    }
  }
}
