/** The socket on which the owner API is served: 0600 in a 0700 folder. */
import { rm } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ROUTES } from '@banger/contract/api/routes.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { makePrivateFolder } from '../platform/files.ts';
import type { App } from './app.ts';
import { API_LIMITS, type ApiLimits } from './limits.ts';
import { findRoute } from './match-route.ts';
import { refuseOn, type Upgrade } from './upgrades.ts';

// An import of it would load Node's fetch as well, for the sake of its names: a third of what a daemon's start takes.
const { createServer } = process.getBuiltinModule('node:http');

const MAX_HEAD_BYTES = 16 * 1024;

type Parts = { app: App; upgrade: Upgrade; folder: string; socketPath: string; limits?: ApiLimits };

/** Call only while holding the daemon's lock: a socket that is there was left by a daemon that died. */
export async function listen({ app, upgrade, folder, socketPath, limits = API_LIMITS }: Parts): Promise<Server> {
  await makePrivateFolder(folder);
  await rm(socketPath, { force: true });
  const options = {
    headersTimeout: limits.headMs,
    requestTimeout: 0, // parse-call.ts limits the time of a body
    connectionsCheckingInterval: limits.checkEveryMs,
    keepAliveTimeout: 1000,
    maxHeaderSize: MAX_HEAD_BYTES,
    shouldUpgradeCallback: isUpgrade,
  };
  const isTooMuch = countUnanswered(limits.unanswered);
  const server = createServer(options, (request, response) => {
    if (isTooMuch(request, response)) request.socket.destroy();
    else void app(request, response);
  });
  // Node drops the headers beyond a number, and one could be the Origin. The size of the head is limited instead.
  server.maxHeadersCount = 0;
  server.maxConnections = limits.connections;
  server.on('upgrade', (request, socket, head) => void upgrade(request, socket, head));
  server.on('clientError', (fault: NodeJS.ErrnoException, socket) => refuse(fault, socket));
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path: socketPath, backlog: limits.connections }, resolve);
    });
  } finally {
    process.umask(before);
  }
  return server;
}

/**
 * Whether a connection asks on and on without a look at the answers: Node reads as fast as they come, and each would take
 * its time and memory long after who sent it has left.
 */
function countUnanswered(most: number): (request: IncomingMessage, response: ServerResponse) => boolean {
  const counts = new WeakMap<Duplex, number>();
  return ({ socket }, response) => {
    const count = (counts.get(socket) ?? 0) + 1;
    if (count > most || socket.destroyed) return true;
    counts.set(socket, count);
    response.once('close', () => counts.set(socket, (counts.get(socket) ?? 1) - 1));
    return false;
  };
}

/** HTTP lets a server ignore an upgrade that the route does not offer, such as one to HTTP/2. */
function isUpgrade({ method = '', url = '' }: IncomingMessage): boolean {
  try {
    const found = findRoute(method, url.split('?', 1)[0] ?? '');
    return found !== null && ['frames', 'tcp'].includes(ROUTES[found.name].answers);
  } catch {
    return false; // the handler of plain requests tells what is wrong
  }
}

/** Answers what is not HTTP, too long, or too slow, and closes the connection. */
function refuse(fault: NodeJS.ErrnoException, socket: Duplex): void {
  const how = HOW_BROKEN[fault.code ?? ''] ?? 'it is not HTTP';
  refuseOn(socket, new BangerError('BAD_REQUEST', { message: `The request is not understood: ${how}.` }));
}

const HOW_BROKEN: Record<string, string> = {
  HPE_HEADER_OVERFLOW: 'its headers are too long',
  ERR_HTTP_REQUEST_TIMEOUT: 'its headers did not arrive in time',
};
