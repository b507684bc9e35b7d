/** Which QEMU this is, and whether it is new enough. */
import type { Task } from '../../platform/task.ts';
import { createProgramVersion, type KnownProgram, parseVersion } from '../program-version.ts';

const QEMU: KnownProgram = {
  name: 'QEMU',
  pattern: /^QEMU emulator version ((\d+)\.(\d+)(?:\.\d+)?)/,
  oldest: { major: 7, minor: 2 }, // the first with a stream network device, which passt needs
  hint: 'Debian 12 and newer have it: install the package "qemu-system-x86".',
};

/** Throws TOOL_MISSING, and what `parseQemuVersion` throws. */
export function createQemuVersion(qemuPath: string) {
  const programVersion = createProgramVersion(parseQemuVersion);
  return (task: Task) => programVersion(task, qemuPath);
}

/** Gives "7.2.22"; throws TOOL_TOO_OLD, or HYPERVISOR_FAILED when the program is not QEMU. */
export function parseQemuVersion(output: string): string {
  return parseVersion(QEMU, output);
}
