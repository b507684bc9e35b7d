/** Which QEMU this is, asked once for each file that it turns out to be. */
import { stat } from 'node:fs/promises';
import { BangerError } from '@banger/contract/errors.ts';
import { runProcess } from '../../platform/run-process.ts';
import type { Task } from '../../platform/task.ts';

/** The first with a stream network device, which passt needs */
const OLDEST = { major: 7, minor: 2 };

/** Gives "7.2.22"; throws TOOL_MISSING, TOOL_TOO_OLD, or HYPERVISOR_FAILED when the program is not QEMU. */
export function createQemuVersion(qemuPath: string) {
  let known: { fileMark: string; version: string } | null = null;

  return async function qemuVersion(task: Task): Promise<string> {
    const fileMark = await markOf(qemuPath);
    if (known?.fileMark === fileMark) return known.version;
    const { stdout } = await runProcess(task, [qemuPath, '--version']);
    const version = parseQemuVersion(stdout);
    known = { fileMark, version };
    return version;
  };
}

export function parseQemuVersion(output: string): string {
  const match = /^QEMU emulator version ((\d+)\.(\d+)(?:\.\d+)?)/.exec(output);
  if (!match) {
    const message = `The QEMU program answered "${output.slice(0, 80).trim()}" when it was asked for its version.`;
    throw new BangerError('HYPERVISOR_FAILED', { message });
  }
  const [version, major, minor] = [match[1] as string, Number(match[2]), Number(match[3])];
  if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) return version;
  throw new BangerError('TOOL_TOO_OLD', {
    message: `QEMU ${version} is installed; banger needs ${OLDEST.major}.${OLDEST.minor} or newer.`,
    hint: 'Debian 12 and newer have it: install the package "qemu-system-x86".',
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
