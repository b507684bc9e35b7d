/** A server outside that this host itself reaches: what the host cannot reach proves nothing about a guest. */
import { lookup } from 'node:dns/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

const REACH_LIMIT_MS = 3000;
/** Tried last, for a host whose apt names no server */
const WELL_KNOWN = ['https://example.com'];
const MAX_TRIED = 4;

export type Outside = { name: string; port: number };

/** `resolved` may be there without `reached`: a network that only lets a proxy out. */
export async function findOutside(urls = [...mirrorUrls(), ...WELL_KNOWN]): Promise<{
  resolved: string | null;
  reached: Outside | null;
}> {
  let resolved: string | null = null;
  const candidates = [...new Set(urls)].slice(0, MAX_TRIED).map((url) => new URL(url));
  for (const { hostname, port, protocol } of candidates) {
    if (!(await resolves(hostname))) continue;
    resolved ??= hostname;
    const outside = { name: hostname, port: Number(port || (protocol === 'https:' ? 443 : 80)) };
    if (await accepts(outside)) return { resolved: hostname, reached: outside };
  }
  return { resolved, reached: null };
}

/** Where apt gets its packages: the one place outside that a Debian host is sure to know. */
function mirrorUrls(folder = '/etc/apt'): string[] {
  const parts = readdirOrNone(join(folder, 'sources.list.d')).map((name) => join(folder, 'sources.list.d', name));
  return [join(folder, 'sources.list'), ...parts].flatMap((path) => findUrls(readOrNothing(path)));
}

export function findUrls(sources: string): string[] {
  return sources
    .split('\n')
    .filter((line) => !line.trim().startsWith('#'))
    .flatMap((line) => line.match(/\bhttps?:\/\/[a-z0-9.-]+(:\d+)?/gi) ?? []);
}

async function resolves(name: string): Promise<boolean> {
  return lookup(name).then(
    () => true,
    () => false,
  );
}

function accepts({ name, port }: Outside): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: name, port, timeout: REACH_LIMIT_MS });
    const end = (hasConnected: boolean) => {
      socket.destroy();
      resolve(hasConnected);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

function readdirOrNone(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // not a Debian host
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // likewise
  }
}
