/** The socket on which the owner API is served: 0600 in a 0700 folder. */
import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { makePrivateFolder } from '../platform/files.ts';
import type { Upgrade } from './upgrades.ts';

type Parts = { app: Hono; upgrade: Upgrade; folder: string; socketPath: string };

/** Call only while holding the daemon's lock: a socket that is there was left by a daemon that died. */
export async function listen({ app, upgrade, folder, socketPath }: Parts): Promise<Server> {
  await makePrivateFolder(folder);
  await rm(socketPath, { force: true });
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 1000 }, getRequestListener(app.fetch));
  server.on('upgrade', (request, socket, head) => void upgrade(request, socket, head));
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socketPath, resolve);
    });
  } finally {
    process.umask(before);
  }
  return server;
}
