/** What is known to be wrong in releases of Firecracker, and how banger lives with it. */

type KnownBug = {
  /** The first version that has it, and the first that has it no more */
  from: string;
  until: string;
  /** A sentence without its full stop */
  bug: string;
};

const KNOWN_BUGS: readonly KnownBug[] = [
  {
    from: '1.16.0',
    until: '1.17.0',
    bug: 'after a pause it lets nobody connect to its guest, so banger stops the process instead',
  },
];

/** `version` is "1.16.1", with whatever comes after it. */
export function knownBugsOf(version: string): string[] {
  return KNOWN_BUGS.filter(({ from, until }) => order(version) >= order(from) && order(version) < order(until)).map(
    ({ bug }) => bug,
  );
}

/** One number that grows with the version */
function order(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  return (major * 1000 + minor) * 1000 + patch;
}
