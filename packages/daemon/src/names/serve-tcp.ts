/** Questions that come in a stream, each after its length. One connection asks one thing after the other. */
import type { Server, Socket } from 'node:net';
import { finished } from 'node:stream/promises';
import { type Countdown, countDown } from '../platform/deadline.ts';
import type { Asked, Said } from './asked.ts';
import { MAX_QUESTION_BYTES } from './serve-udp.ts';

/** From the end of an answer, or the beginning of the connection, to the next answer */
const QUESTION_LIMIT_MS = 10_000;
const MAX_QUESTIONS = 100;
/** Of answers that are not taken */
const MAX_WAITING_BYTES = 64 * 1024;

type TcpParts = {
  answer: (asked: Asked) => Said;
  /** Counts a connection until it is disposed; null for one too many, and for those who are not answered */
  enter: (from: string, at: string) => Disposable | null;
  limitMs?: number;
};

/** Returns what ends all connections. `server` leaves its own side open when the other one is closed. */
export function serveTcp(server: Server, { answer, enter, limitMs = QUESTION_LIMIT_MS }: TcpParts): () => void {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => void serve(socket));
  server.on('error', () => {}); // of one connection; the next may be taken
  return () => sockets.forEach((socket) => void socket.destroy());

  async function serve(socket: Socket): Promise<void> {
    sockets.add(socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket)); // its end is all there is to know
    const [from, at] = [socket.remoteAddress ?? '', socket.localAddress ?? ''];
    using place = enter(from, at);
    const timer = countDown(limitMs, () => socket.destroy());
    try {
      if (place) await answerEach(socket, { from, at, by: 'tcp' }, timer);
    } catch {
      // it went away, or took too long
    } finally {
      timer.stop();
      socket.destroy();
    }
  }

  async function answerEach(socket: Socket, who: Omit<Asked, 'message'>, timer: Countdown): Promise<void> {
    let count = 0;
    for await (const message of messages(socket)) {
      const said = await answer({ ...who, message });
      count += 1;
      if (!said || count > MAX_QUESTIONS || socket.writableLength > MAX_WAITING_BYTES) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(said.length);
      socket.write(Buffer.concat([length, said]));
      timer.restart();
    }
    socket.end();
    await finished(socket, { readable: false }); // all of it is taken, within the limit
  }
}

/** Ends with the stream, and with a message that is longer than any question. */
async function* messages(socket: Socket): AsyncGenerator<Buffer> {
  let read = Buffer.alloc(0);
  for await (const piece of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    read = Buffer.concat([read, piece]);
    while (read.length >= 2) {
      const length = read.readUInt16BE();
      if (length > MAX_QUESTION_BYTES) return;
      if (read.length < 2 + length) break;
      yield read.subarray(2, 2 + length);
      read = read.subarray(2 + length);
    }
  }
}
