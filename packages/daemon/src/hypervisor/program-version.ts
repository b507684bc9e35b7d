/** Which version a hypervisor's program is of, asked once for each file that it turns out to be. */
import { stat } from 'node:fs/promises';
import { BangerError } from '@banger/contract/errors.ts';
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

export type KnownProgram = {
  name: string;
  /** Of what it says: the version, and its first two numbers */
  pattern: RegExp;
  oldest: { major: number; minor: number };
  /** What to do about one that is older */
  hint: string;
};

/** Throws TOOL_TOO_OLD, or HYPERVISOR_FAILED when it is another program. */
export function parseVersion({ name, pattern, oldest, hint }: KnownProgram, output: string): string {
  const match = pattern.exec(output);
  if (!match) {
    const message = `The ${name} program answered "${output.slice(0, 80).trim()}" when it was asked for its version.`;
    throw new BangerError('HYPERVISOR_FAILED', { message });
  }
  const [version, major, minor] = [match[1] as string, Number(match[2]), Number(match[3])];
  if (major > oldest.major || (major === oldest.major && minor >= oldest.minor)) return version;
  throw new BangerError('TOOL_TOO_OLD', {
    message: `${name} ${version} is installed; banger needs ${oldest.major}.${oldest.minor} or newer.`,
    hint,
    details: { version },
  });
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
