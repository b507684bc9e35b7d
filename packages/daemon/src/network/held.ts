/**
 * The process at the other side of a machine's network, one for each run. All of it holds a FIFO in the folder of the run, by
 * which any daemon sees its end.
 */
import { closeSync, existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFifos, openFifo, openForProcess } from '../platform/fifos.ts';
import { type StartedProcess, startProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';

const fifoOf = (runtimeFolder: string) => join(runtimeFolder, 'network.fifo');

type HeldPlan = { runtimeFolder: string; logPath: string; hasReport?: boolean };

/** What is left of an earlier one is gone by now. Throws what startProcess throws. */
export async function startHeld(
  task: Task,
  command: readonly string[],
  { runtimeFolder, ...outputs }: HeldPlan,
): Promise<StartedProcess> {
  const held = fifoOf(runtimeFolder);
  await makeFifos(task, [held]);
  const stdin = openForProcess(held);
  try {
    return await startProcess(command, { runFolder: runtimeFolder, ...outputs, stdin });
  } finally {
    closeSync(stdin);
  }
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

/** For a race with what it should do first. */
export async function endOf({ exited }: StartedProcess): Promise<never> {
  const { code, signal } = await exited;
  throw new Error(signal ? `it was ended by ${signal}` : `it exited with ${code}`);
}
