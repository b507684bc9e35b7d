/** Whether questions for names of machines arrive here: at the address itself, and by the way that all programs of this host take. */
import { promises as dns } from 'node:dns';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { SELF } from './answer.ts';

const LIMIT_MS = 2000;

export type NamesSeen = {
  /** Somebody answers at the address */
  isAnswered: boolean;
  /** What this host's programs are told for our own name; null when it is unknown to them */
  resolvesTo: string | null;
  /** What the host asks with, as far as it tells what is wrong */
  asks: 'resolved' | 'resolved-unused' | 'network-manager' | 'others';
};

export async function seeNames(address: string, hostRoot = '/'): Promise<NamesSeen> {
  const resolver = new dns.Resolver({ timeout: LIMIT_MS, tries: 1 });
  resolver.setServers([address]);
  const [isAnswered, resolvesTo, asks] = await Promise.all([
    resolver.resolve4(SELF).then(
      ([found]) => found === address,
      () => false,
    ),
    Promise.race([dns.lookup(SELF, { family: 4 }), delay(LIMIT_MS, null, { ref: false })]).then(
      (found) => found?.address ?? null,
      () => null,
    ),
    seeResolver(hostRoot),
  ]);
  return { isAnswered, resolvesTo, asks };
}

async function seeResolver(hostRoot: string): Promise<NamesSeen['asks']> {
  const read = (path: string) => readFile(`${hostRoot}${path}`, 'utf8').catch(() => '');
  if (existsSync(`${hostRoot}run/systemd/resolve/io.systemd.Resolve`)) {
    const isAsked = /^nameserver\s+127\.0\.0\.5[34]\b/m.test(await read('etc/resolv.conf'));
    return isAsked || /^hosts:.*\bresolve\b/m.test(await read('etc/nsswitch.conf')) ? 'resolved' : 'resolved-unused';
  }
  return existsSync(`${hostRoot}run/NetworkManager`) ? 'network-manager' : 'others';
}
