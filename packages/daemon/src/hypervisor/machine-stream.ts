/** A connection to a machine that may end meanwhile, told alike by every driver. */
import { BangerError } from '@banger/contract/errors.ts';
import type { Task } from '../platform/task.ts';

/** `gone` is aborted when the machine has ended. Throws VM_LOST then, and what `connect` throws. */
export async function connectWhileItRuns<Stream>(
  task: Task,
  gone: AbortSignal,
  connect: (task: Task) => Promise<Stream>,
): Promise<Stream> {
  try {
    return await connect(task.withSignal(gone));
  } catch (cause) {
    task.check();
    if (!gone.aborted) throw cause;
    throw new BangerError('VM_LOST', { message: 'The machine has ended.', cause });
  }
}
