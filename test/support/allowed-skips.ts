/** The tests that may be skipped, each with the ability that a host then lacks. Any other skip fails the run. */
export const ALLOWED_SKIPS: Record<string, string> = {
  "the host's disk is full while a guest writes": 'mount',
  "the host's passwords for packages are in no image": 'mount',
};
