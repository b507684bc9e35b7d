/** The domains that the host completes names with, for the guest to do the same. */
import { readRegularFile } from '../platform/regular-file.ts';

const MAX_DOMAINS = 6;
/** They go in on the kernel's command line, which is 2 KiB */
const MAX_BYTES = 256;
const MAX_FILE_BYTES = 64 * 1024;

export async function readSearchDomains(path: string): Promise<string[]> {
  // What cannot be read, or is no file, completes nothing.
  const bytes = await readRegularFile(path, MAX_FILE_BYTES, (why) => new Error(why)).catch(() => Buffer.alloc(0));
  return parseSearchDomains(bytes.toString('utf8'));
}

/** The last line that names any counts, as it does for the C library. */
export function parseSearchDomains(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/));
  const [, ...domains] = lines.findLast(([word]) => word === 'search' || word === 'domain') ?? [];
  const valid = domains.filter((domain) => /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(domain));
  let bytes = 0;
  return valid.slice(0, MAX_DOMAINS).filter((domain) => {
    bytes += domain.length + 1;
    return bytes <= MAX_BYTES;
  });
}
