/**
 * The process at the other side of a machine's network, one for each run. All of it holds a FIFO in the folder of the run, by
 * which any daemon sees its end. Where systemd bounds programs it has a scope beside its hypervisor's.
 */
import { closeSync, existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { deadlineAfter } from '../platform/deadline.ts';
import { makeFifos, openFifo, openForProcess } from '../platform/fifos.ts';
import { type StartedProcess, startProcess } from '../platform/run-process.ts';
import { type Bounds, beginInScope, type Scope, type Scopes } from '../platform/scope.ts';
import type { Task } from '../platform/task.ts';

const fifoOf = (runtimeFolder: string) => join(runtimeFolder, 'network.fifo');

const READY_WITHIN_MS = 30_000;

type HeldPlan = {
  runtimeFolder: string;
  logPath: string;
  hasReport?: boolean;
  bounds: Bounds;
  scopes: Scopes;
  /** True once it is ready; false when it is about to end without that */
  untilReady: (started: StartedProcess) => Promise<boolean>;
};

/**
 * Resolves once it is ready. What is left of an earlier one is gone by now. Throws what startProcess throws, CANCELLED, and what
 * became of it before it was ready; what is left of it then is up to the caller.
 */
export async function startHeld(
  task: Task,
  command: readonly string[],
  { runtimeFolder, bounds, scopes, untilReady, ...outputs }: HeldPlan,
): Promise<void> {
  const held = fifoOf(runtimeFolder);
  await forgetHeld(runtimeFolder);
  await makeFifos(task, [held]);
  const end = await beginInScope(task, scopes, bounds, startIn, (ended) => ended === null);
  if (end !== null) throw new Error(end);

  /** Null, or how it ended */
  async function startIn({ words, env }: Scope): Promise<string | null> {
    const stdin = openForProcess(held);
    const starting = startProcess([...words, ...command], { runFolder: runtimeFolder, ...outputs, stdin, env });
    const started = await starting.finally(() => closeSync(stdin));
    const isReady = Promise.race([untilReady(started), started.exited.then(() => false)]);
    const end = isReady.then((is) => (is ? null : endOf(started)));
    return await withinLimit(task, end);
  }
}

async function withinLimit<Value>(task: Task, promise: Promise<Value>): Promise<Value> {
  const deadline = deadlineAfter(READY_WITHIN_MS);
  try {
    return await task.withSignal(deadline).race(promise);
  } catch (fault) {
    task.check();
    throw deadline.aborted ? new Error(`was not ready within ${READY_WITHIN_MS / 1000} s`) : fault;
  }
}

async function endOf({ exited }: StartedProcess): Promise<string> {
  const { code, signal } = await exited;
  return signal ? `was ended by ${signal}` : `exited with ${code}`;
}

/**
 * Calls `onEnd` when the network of this run has ended, whichever daemon started it; not for a run that had none, nor for one
 * that an older banger began. It takes one connection, so it ends with whatever is on its other side. Returns what ends
 * the watch.
 */
export function watchEnd(runtimeFolder: string, onEnd: () => void): () => void {
  const held = fifoOf(runtimeFolder);
  if (!existsSync(held)) return () => {};
  const fifo = openFifo(held, () => true);
  fifo.on('error', () => {}).on('close', onEnd);
  fifo.unref();
  return () => fifo.off('close', onEnd).destroy();
}

export async function forgetHeld(runtimeFolder: string): Promise<void> {
  await rm(fifoOf(runtimeFolder), { force: true });
}
