/** Which Firecracker this is, and whether it is new enough. */
import { createProgramVersion, type KnownProgram, parseVersion } from '../program-version.ts';

const FIRECRACKER: KnownProgram = {
  name: 'Firecracker',
  pattern: /^Firecracker v((\d+)\.(\d+)\.\d+\S*)/,
  oldest: { major: 1, minor: 14 }, // the first that gives back memory which the guest has freed
  hint: 'Its project publishes a program for each version; QEMU runs vms without it.',
};

/** Asked about a path it throws TOOL_MISSING, and what `parseFirecrackerVersion` throws. */
export function createFirecrackerVersion() {
  return createProgramVersion(parseFirecrackerVersion);
}

/** Gives "1.16.1"; throws TOOL_TOO_OLD, or HYPERVISOR_FAILED when the program is not Firecracker. */
export function parseFirecrackerVersion(output: string): string {
  return parseVersion(FIRECRACKER, output);
}
