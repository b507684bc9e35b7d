/** The folder of a run goes, whatever a guest that broke out of its hypervisor has put into it. */
import { removeTree } from './files.ts';
import { runProcess } from './run-process.ts';
import { Task } from './task.ts';

/**
 * Safe when there is none, and to be called when what was started in it has ended. No link in it is followed; a folder that
 * is closed to its owner, or deeper than a path may be long, is no obstacle.
 */
export async function removeRun(runFolder: string): Promise<void> {
  try {
    await removeTree(runFolder);
  } catch {
    const task = Task.background();
    await runProcess(task, ['chmod', '--recursive', 'u+rwX', '--', runFolder]).catch(() => {}); // rm tells what stays
    await runProcess(task, ['rm', '--recursive', '--force', '--', runFolder]);
  }
}
