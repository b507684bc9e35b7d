/** The name servers of the host, as its resolv.conf has them now: they change with networks and VPNs. */
import { isIP } from 'node:net';
import { readRegularFile } from '../platform/regular-file.ts';

const MAX_FILE_BYTES = 64 * 1024;
/** As many as the C library uses */
const MAX_SERVERS = 3;
/** The host's own, which the C library asks where none is named */
const OWN = '127.0.0.1';

export async function readHostServers(path: string): Promise<string[]> {
  const bytes = await readRegularFile(path, MAX_FILE_BYTES, (why) => new Error(why)).catch(() => Buffer.alloc(0));
  return parseHostServers(bytes.toString('utf8'));
}

export function parseHostServers(text: string): string[] {
  const words = text.split('\n').map((line) => line.trim().split(/\s+/));
  const servers = words.flatMap(([word, address = '']) => (word === 'nameserver' && isIP(address) ? [address] : []));
  return servers.length > 0 ? servers.slice(0, MAX_SERVERS) : [OWN];
}
