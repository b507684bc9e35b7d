/** One port that the daemon listens on: every connection to it becomes one in the guest. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Forward, portTaken } from '@banger/contract/forward.ts';
import { deadlineAfter } from '../platform/deadline.ts';
import { Task } from '../platform/task.ts';

/** So that one port cannot take what the others need */
const MAX_CONNECTIONS = 250;
const CONNECT_LIMIT_MS = 30_000;

export type PublishedPort = ReturnType<typeof createPublishedPort>;

type PortParts = {
  forward: Forward;
  connect: (task: Task, guestPort: number) => Promise<Duplex>;
  /** Counts a connection until it is disposed; null when there are too many, and throws when the vm is gone */
  enter: () => Disposable | null;
  warn: (fault: unknown) => void;
};

export function createPublishedPort({ forward, connect, enter, warn }: PortParts) {
  const callers = new Set<Socket>();
  const ending = new AbortController();
  const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true };
  const server = createServer(options, (caller) => void join(caller));
  server.maxConnections = MAX_CONNECTIONS;
  return { listen, close };

  /** Throws PORT_TAKEN. */
  async function listen(): Promise<void> {
    server.listen(forward.hostPort, forward.host);
    await once(server, 'listening').catch((cause) => {
      throw portTaken(forward, cause);
    });
    server.on('error', warn); // a connection that could not be taken; the next one may be
  }

  /** With every connection; safe to repeat. */
  function close(): void {
    if (server.listening) server.close();
    ending.abort();
    for (const caller of callers) caller.destroy();
  }

  /** A caller that cannot be joined is cut off, as by a port where nobody listens. */
  async function join(caller: Socket): Promise<void> {
    callers.add(caller);
    caller.on('error', () => {}).once('close', () => callers.delete(caller)); // it went away; the pipeline sees it too
    try {
      using counted = enter();
      if (counted === null) return;
      const task = Task.background().withSignal(AbortSignal.any([ending.signal, deadlineAfter(CONNECT_LIMIT_MS)]));
      const guest = await connect(task, forward.guestPort);
      await pipeline(caller, guest, caller);
    } catch {
      // nobody listens in there, the vm is not up yet, or one of the two broke, and so has the other
    } finally {
      if (!caller.readableEnded || !caller.writableFinished) caller.resetAndDestroy();
    }
  }
}
