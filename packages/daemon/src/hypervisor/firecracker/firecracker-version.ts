/** Which Firecracker this is, and whether it is new enough. */
import { BangerError } from '@banger/contract/errors.ts';
import { createProgramVersion } from '../program-version.ts';

/** The first that gives back memory which the guest has freed */
const OLDEST = { major: 1, minor: 14 };

/** Asked about a path it throws TOOL_MISSING, and what `parseFirecrackerVersion` throws. */
export function createFirecrackerVersion() {
  return createProgramVersion(parseFirecrackerVersion);
}

/** Gives "1.16.1"; throws TOOL_TOO_OLD, or HYPERVISOR_FAILED when the program is not Firecracker. */
export function parseFirecrackerVersion(output: string): string {
  const match = /^Firecracker v((\d+)\.(\d+)\.\d+\S*)/.exec(output);
  if (!match) {
    const message = `The Firecracker program answered "${output.slice(0, 80).trim()}" when it was asked for its version.`;
    throw new BangerError('HYPERVISOR_FAILED', { message });
  }
  const [version, major, minor] = [match[1] as string, Number(match[2]), Number(match[3])];
  if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) return version;
  throw new BangerError('TOOL_TOO_OLD', {
    message: `Firecracker ${version} is installed; banger needs ${OLDEST.major}.${OLDEST.minor} or newer.`,
    hint: 'Its project publishes a program for each version; QEMU runs vms without it.',
    details: { version },
  });
}
