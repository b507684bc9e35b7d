/**
 * Work that runs at the same time, and ends together.
 *
 * It is not for what leaves nothing to end: short looks at files run by `Promise.all`, and a wait for the first of several
 * events is a `Promise.race`. Where one of those events comes out of work, its task or its stream has to end with the race.
 */
import type { Task } from './task.ts';

type Parts<Values extends readonly unknown[]> = { [Index in keyof Values]: (task: Task) => Promise<Values[Index]> };

/**
 * Runs all parts at once and gives what they give. When one fails, the tasks of the others are cancelled, all of them are
 * waited for, and the first fault is thrown: nothing goes on that an undo would meet half-way.
 */
export async function together<Values extends readonly unknown[]>(task: Task, parts: Parts<Values>): Promise<Values> {
  task.check();
  const stop = new AbortController();
  const both = task.withSignal(stop.signal);
  const faults: unknown[] = [];
  const outcomes = parts.map(async (part) => {
    try {
      return await part(both);
    } catch (fault) {
      faults.push(fault);
      stop.abort();
      throw fault;
    }
  });
  const settled = await Promise.allSettled(outcomes);
  if (faults.length > 0) {
    task.check();
    throw faults[0];
  }
  return settled.map((outcome) => (outcome as PromiseFulfilledResult<unknown>).value) as unknown as Values;
}
