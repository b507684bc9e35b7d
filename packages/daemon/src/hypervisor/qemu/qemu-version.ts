/** Which QEMU this is, and whether it is new enough. */
import { BangerError } from '@banger/contract/errors.ts';
import type { Task } from '../../platform/task.ts';
import { createProgramVersion } from '../program-version.ts';

/** The first with a stream network device, which passt needs */
const OLDEST = { major: 7, minor: 2 };

/** Throws TOOL_MISSING, and what `parseQemuVersion` throws. */
export function createQemuVersion(qemuPath: string) {
  const programVersion = createProgramVersion(parseQemuVersion);
  return (task: Task) => programVersion(task, qemuPath);
}

/** Gives "7.2.22"; throws TOOL_TOO_OLD, or HYPERVISOR_FAILED when the program is not QEMU. */
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
