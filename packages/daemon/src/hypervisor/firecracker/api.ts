/** Firecracker's control socket. It is asked one thing, who it is and whether its guest runs, and tells by its end of Firecracker's. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { Task } from '../../platform/task.ts';
import { connectSocket } from '../../platform/unix-sockets.ts';

const MAX_ANSWER_BYTES = 64 * 1024;

/** An idle connection, which closes in the moment that Firecracker ends, whoever started it. */
export async function holdFirecracker(task: Task, path: string): Promise<Socket> {
  const socket = await connectSocket(task, path);
  return socket.on('error', () => {}).resume(); // "close" follows
}

/** It lives, and takes no question now */
class Busy extends Error {
  readonly code = 'ECONNRESET';
}

const answerSchema = z.object({ id: z.string(), state: z.enum(['Not started', 'Running', 'Paused']) });
type ApiAnswer = z.infer<typeof answerSchema>;

/**
 * Not to be called before the guest runs, or while it may end: Firecracker ends by a fault of its own then, and does not say
 * what went wrong. Throws when it is no answer of Firecracker's, CANCELLED or TIMED_OUT.
 */
export async function askFirecracker(task: Task, path: string): Promise<ApiAnswer> {
  const socket = await connectSocket(task, path);
  try {
    const asking = request({ createConnection: () => socket, path: '/', headers: { Accept: 'application/json' } });
    asking.end();
    const [response] = (await task.race(once(asking, 'response'))) as [IncomingMessage];
    if (response.statusCode === 503) throw new Busy('it has no room for another connection');
    if (Number(response.headers['content-length'] ?? 0) > MAX_ANSWER_BYTES) throw new Error('its answer is too long');
    return answerSchema.parse(JSON.parse(await task.race(text(response))));
  } finally {
    socket.destroy();
  }
}
