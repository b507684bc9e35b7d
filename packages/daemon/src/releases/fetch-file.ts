/**
 * One file over HTTPS: redirects lead only to HTTPS and end, and so do the answer's size and the time that it takes. Who
 * may answer is decided by the certificates that the host trusts.
 */
import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { deadlineAfter } from '../platform/deadline.ts';
import { readRegularFile } from '../platform/regular-file.ts';
import type { Task } from '../platform/task.ts';
import { releaseInvalid } from './release-invalid.ts';

/** What update-ca-certificates makes of all that the host trusts */
const AUTHORITIES = 'etc/ssl/certs/ca-certificates.crt';
const MAX_AUTHORITIES_BYTES = 8 * 2 ** 20;
const MAX_REDIRECTS = 5;

const LIMITS = {
  /** For all of it: a slow line needs minutes */
  wholeMs: 1_800_000,
  /** Between two pieces */
  silentMs: 60_000,
};

export type FetchParts = {
  /** Where the host's files are: "/", except in a test */
  hostRoot: string;
  /** The owner's variables, with whatever password they hold */
  proxies: Readonly<Record<string, string>>;
  limits?: typeof LIMITS;
};

type Wanted = { url: URL; path: string; maxBytes: number };

/**
 * Writes what is there into a new file at `path`. Throws HYPERVISOR_FETCH_FAILED, HYPERVISOR_INVALID for what is too
 * large, CANCELLED.
 */
export async function fetchFile(task: Task, parts: FetchParts, { url, path, maxBytes }: Wanted): Promise<void> {
  const { wholeMs, silentMs } = parts.limits ?? LIMITS;
  const deadline = deadlineAfter(wholeMs);
  let agent: Agent | null = null;
  try {
    agent = new Agent({ proxyEnv: withSchemes(parts.proxies) });
    const ca = await readAuthorities(parts.hostRoot);
    const signal = AbortSignal.any([task.signal, deadline]);
    const answer = await followRedirects(url, { agent, signal, silentMs, ...(ca && { ca }) });
    const totalBytes = Number(answer.headers['content-length'] ?? Number.NaN);
    if (totalBytes > maxBytes) {
      answer.destroy();
      throw tooLarge(url, maxBytes);
    }
    const file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
    await pipeline(answer, counted(task, { url, totalBytes, maxBytes }), file, { signal });
  } catch (fault) {
    task.check();
    if (deadline.aborted) throw fetchFailed(url, `it was not there after ${wholeMs / 60_000} minutes`, fault);
    const { syscall } = fault as NodeJS.ErrnoException;
    if (fault instanceof BangerError || syscall === 'write' || syscall === 'open') throw fault;
    throw fetchFailed(url, reasonOf(fault), fault);
  } finally {
    agent?.destroy();
  }
}

/** "proxy:3128" is what other programs take too. */
function withSchemes(proxies: FetchParts['proxies']): Record<string, string> {
  const whole = ([name, value]: [string, string]) =>
    /no_proxy/i.test(name) || value === '' || value.includes('://') ? value : `http://${value}`;
  return Object.fromEntries(Object.entries(proxies).map((entry) => [entry[0], whole(entry)]));
}

/** Undefined where the host has none: those that Node brings count then. */
async function readAuthorities(hostRoot: string): Promise<Buffer | undefined> {
  const refuse = (why: string) => new Error(why);
  try {
    return await readRegularFile(join(hostRoot, AUTHORITIES), MAX_AUTHORITIES_BYTES, refuse);
  } catch (fault) {
    if (fault instanceof BangerError && fault.code === 'FILE_NOT_FOUND') return undefined;
    throw fault;
  }
}

type Asking = { agent: Agent; signal: AbortSignal; silentMs: number; ca?: Buffer };

async function followRedirects(first: URL, asking: Asking): Promise<IncomingMessage> {
  let url = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const answer = await ask(url, asking);
    const { statusCode = 0, headers } = answer;
    if (statusCode === 200) return answer;
    answer.destroy();
    if (statusCode < 300 || statusCode > 399 || headers.location === undefined) {
      throw fetchFailed(url, `it answered with HTTP status ${statusCode}`);
    }
    const next = URL.parse(headers.location, url);
    if (next?.protocol !== 'https:' || next.username !== '') throw fetchFailed(url, 'it leads to where HTTPS does not');
    url = next;
  }
  throw fetchFailed(first, `it leads on more than ${MAX_REDIRECTS} times`);
}

function ask(url: URL, { agent, signal, silentMs, ca }: Asking): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { 'user-agent': 'banger', 'accept-encoding': 'identity' };
  const request = get(url, { agent, signal, headers, ...(ca && { ca }) }, resolve);
  request.setTimeout(silentMs, () => request.destroy(new Error(`nothing came for ${silentMs / 1000} s`)));
  request.on('error', reject);
  return promise;
}

function counted(task: Task, { url, totalBytes, maxBytes }: { url: URL; totalBytes: number; maxBytes: number }) {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) return done(tooLarge(url, maxBytes));
      task.progress(bytes, Number.isNaN(totalBytes) ? null : totalBytes, 'bytes');
      done(null, chunk);
    },
  });
}

function tooLarge({ host }: URL, maxBytes: number): BangerError {
  return releaseInvalid(`What ${host} sends is larger than ${formatSize(maxBytes)}`);
}

/** What Node says of a proxy may name it with its password. */
function reasonOf(fault: unknown): string {
  const { code, message } = fault as NodeJS.ErrnoException;
  if (code === 'ERR_PROXY_TUNNEL') return 'the proxy does not let it through';
  return message.replace(/\.$/, '');
}

function fetchFailed({ host, pathname }: URL, why: string, cause?: unknown): BangerError {
  return new BangerError('HYPERVISOR_FETCH_FAILED', {
    message: `${host}${pathname} could not be fetched: ${why}.`,
    hint: 'Check the network and the address. A file that you fetched by other means is taken by --from.',
    details: { host },
    cause,
  });
}
