/** Whether questions for names of machines arrive here: at the addresses themselves, and by the way that all programs of this host take. */
import { promises as dns } from 'node:dns';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';
import { SELF } from './answer.ts';

const LIMIT_MS = 2000;
/** Of getent: there is no such name */
const UNKNOWN = 2;

export type NamesSeen = {
  /** The addresses at which nobody answers */
  silent: string[];
  /** What this host's programs are told for our own name; null when it is unknown to them */
  resolvesTo: string | null;
  /** What the host asks with, as far as it tells what is wrong */
  asks: 'resolved' | 'resolved-unused' | 'network-manager' | 'network-manager-dnsmasq' | 'others';
};

type SeeParts = {
  hostRoot: string;
  /** By the way that the C library takes */
  resolve?: (task: Task, name: string) => Promise<string | null>;
  port?: number;
};

export async function seeNames(
  task: Task,
  addresses: readonly string[],
  { hostRoot, resolve = resolveOnHost, port = 53 }: SeeParts,
): Promise<NamesSeen> {
  const [answered, resolvesTo, asks] = await Promise.all([
    Promise.all(addresses.map((address) => isAnswered(address, port))),
    resolve(task.within(LIMIT_MS), SELF).catch(() => null), // too slow for any program
    seeResolver(hostRoot),
  ]);
  return { silent: addresses.filter((_address, index) => !answered[index]), resolvesTo, asks };
}

async function isAnswered(address: string, port: number): Promise<boolean> {
  const resolver = new dns.Resolver({ timeout: LIMIT_MS, tries: 1 });
  resolver.setServers([`${address}:${port}`]);
  const found = await resolver.resolve4(SELF).catch(() => []);
  return found[0] === address;
}

/** In a process that can be ended: within this one a lookup that takes long would be waited for at the end. */
async function resolveOnHost(task: Task, name: string): Promise<string | null> {
  const { stdout } = await runProcess(task, ['getent', 'ahostsv4', name], { acceptCodes: [0, UNKNOWN] });
  return stdout.split(/\s/)[0] || null;
}

async function seeResolver(hostRoot: string): Promise<NamesSeen['asks']> {
  const has = (path: string) => existsSync(join(hostRoot, path));
  const read = (path: string) => readFile(join(hostRoot, path), 'utf8').catch(() => '');
  if (has('run/systemd/resolve/io.systemd.Resolve')) {
    const isAsked = /^nameserver\s+127\.0\.0\.5[34]\b/m.test(await read('etc/resolv.conf'));
    return isAsked || /^hosts:.*\bresolve\b/m.test(await read('etc/nsswitch.conf')) ? 'resolved' : 'resolved-unused';
  }
  if (has('run/NetworkManager/dnsmasq.pid')) return 'network-manager-dnsmasq';
  return has('run/NetworkManager') ? 'network-manager' : 'others';
}
