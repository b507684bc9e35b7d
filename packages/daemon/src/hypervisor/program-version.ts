/** Which version a hypervisor's program is of, asked once for each file that it turns out to be. */
import { stat } from 'node:fs/promises';
import { runProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';

/** `parse` gets what the program says of itself. Throws TOOL_MISSING, and what `parse` throws. */
export function createProgramVersion(parse: (output: string) => string) {
  let known: { fileMark: string; version: string } | null = null;

  return async function programVersion(task: Task, path: string): Promise<string> {
    const fileMark = `${path} ${await markOf(path)}`;
    if (known?.fileMark === fileMark) return known.version;
    const { stdout } = await runProcess(task, [path, '--version']);
    const version = parse(stdout);
    known = { fileMark, version };
    return version;
  };
}

/** A program that is replaced by an upgrade is asked again; one found through PATH is asked once. */
async function markOf(path: string): Promise<string> {
  try {
    const { mtimeMs, ino } = await stat(path);
    return `${ino} ${mtimeMs}`;
  } catch {
    return 'not a path';
  }
}
