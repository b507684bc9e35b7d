/**
 * The sockets between the daemon and one guest. Firecracker joins each to a port of the guest's vsock: the guest connects to
 * a socket that the daemon listens on, and the daemon to a port that the guest listens on.
 *
 * Any program in a guest may connect to the host, so what comes in is believed only as far as it does no harm: the first
 * that comes, before anything of the image runs, is the agent of this boot. A later one only says that there is an agent
 * again, and the daemon connects to it.
 */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { GOODBYES, VSOCK_PORTS } from '@banger/contract/guest/vsock.ts';
import { Bell } from '../../platform/bell.ts';
import { Task } from '../../platform/task.ts';
import { connectSocket } from '../../platform/unix-sockets.ts';
import type { Goodbye } from './describe-exit.ts';
import type { machineFiles } from './plan-config.ts';

/** A guest takes no longer to answer, or Firecracker gives up; one that is stopped does not answer */
const CONNECT_LIMIT_MS = 5000;
/** Nothing tells when an agent that was too busy to answer is no longer */
const RETRY_MS = 1000;
/** Of what may change without end, one is told in this time */
const NEWS_EVERY_MS = 1000;
/** For what was said already to be read */
const LAST_WORDS_MS = 2000;
const MAX_WORD_BYTES = 32;
const MAX_GOODBYES = 8;

type Files = ReturnType<typeof machineFiles>;

export class GuestSockets {
  readonly #files: Files;
  readonly #servers: Server[];
  readonly #bell = new Bell();
  /** Connections on which a goodbye may come */
  readonly #saying = new Set<Socket>();
  #isBooting: boolean;
  /** The agent of this boot, until it is asked for */
  #first: Socket | null = null;
  #stream: Socket | null = null;
  #news: ReturnType<typeof setTimeout> | null = null;
  #isOpen: boolean | null = null;
  #isClosed = false;
  onAgentPort: (isOpen: boolean) => void = () => {};
  goodbye: Goodbye | null = null;
  /** Resolves when the guest connected for the first time */
  readonly called: Promise<void> = this.#bell.next();

  private constructor(files: Files, isBooting: boolean) {
    this.#files = files;
    this.#isBooting = isBooting;
    this.#servers = [
      createServer((socket) => this.#takeCall(socket)),
      createServer((socket) => this.#takeGoodbye(socket)),
    ];
  }

  /** `isBooting`: the machine is about to start, so that whoever connects first is its agent. */
  static async listen(files: Files, { isBooting }: { isBooting: boolean }): Promise<GuestSockets> {
    const sockets = new GuestSockets(files, isBooting);
    for (const [index, port] of [VSOCK_PORTS.call, VSOCK_PORTS.goodbye].entries()) {
      const path = files.guestPort(port);
      await rm(path, { force: true }); // of an earlier run, or of the daemon before this one
      await once((sockets.#servers[index] as Server).listen(path), 'listening');
    }
    return sockets;
  }

  /** A new stream to the agent; the one before it ends. Waits for an agent that is not there yet, until the task's end. */
  async openStream(task: Task): Promise<Socket> {
    this.#stream?.destroy();
    for (;;) {
      const called = this.#bell.next();
      const stream = this.#takeFirst() ?? (this.#isBooting ? null : await this.#connect(task));
      if (stream) return this.#hand(stream);
      const late = this.#isBooting ? [] : [delay(RETRY_MS, undefined, { ref: false })];
      await task.race(Promise.race([called, ...late]));
    }
  }

  /** Resolves once all that the guest said before it ended has been read. */
  async untilRead(): Promise<void> {
    const limited = Task.background().within(LAST_WORDS_MS);
    try {
      // Connections are taken in their order, so this one comes after the guest's.
      const last = await connectSocket(limited, this.#files.guestPort(VSOCK_PORTS.goodbye));
      last.resume().end();
      await limited.race(new Promise((resolve) => last.on('error', () => {}).once('close', resolve)));
      while (this.#saying.size > 0) await limited.race(this.#bell.next());
    } catch {
      // a guest that broke out put something else in its place
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const server of this.#servers) server.close();
    if (this.#news) clearTimeout(this.#news);
    this.#first?.destroy();
    this.#stream?.destroy();
  }

  #takeCall(socket: Socket): void {
    socket.on('error', () => {}); // "close" follows
    if (this.#isBooting && !this.#isClosed) this.#first = socket;
    else socket.destroy();
    this.#isBooting = false;
    this.#bell.ring();
    this.#tell(true);
  }

  #takeFirst(): Socket | null {
    const first = this.#first;
    this.#first = null;
    return first?.destroyed ? null : first;
  }

  #hand(stream: Socket): Socket {
    this.#stream?.destroy();
    this.#stream = stream;
    // Not at its close, which the host's own side may have wanted.
    const letGo = () => this.#stream === stream && this.#tell(false);
    stream.once('end', letGo).on('error', letGo);
    return stream;
  }

  /** Null when nobody listens there, or nobody answered in time. Throws what ends the task. */
  async #connect(task: Task): Promise<Socket | null> {
    const limited = task.within(CONNECT_LIMIT_MS);
    try {
      const socket = await connectSocket(limited, this.#files.vsock);
      return await readAnswer(limited, socket);
    } catch {
      task.check();
      return null;
    }
  }

  #takeGoodbye(socket: Socket): void {
    if (this.#saying.size === MAX_GOODBYES) this.#saying.values().next().value?.destroy();
    this.#saying.add(socket);
    let said = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      said = (said + text).slice(0, MAX_WORD_BYTES);
      const word = GOODBYES.find((goodbye) => said.startsWith(`${goodbye}\n`));
      if (word) this.goodbye = word;
    });
    socket
      .on('error', () => {})
      .on('close', () => {
        this.#saying.delete(socket);
        this.#bell.ring();
      });
  }

  /** At once, and then the newest of a second. */
  #tell(isOpen: boolean): void {
    if (this.#isClosed) return;
    this.#isOpen = isOpen;
    if (this.#news === null) this.#pass();
  }

  #pass(): void {
    this.#news = null;
    if (this.#isOpen === null) return;
    this.#news = setTimeout(() => this.#pass(), NEWS_EVERY_MS).unref();
    const isOpen = this.#isOpen;
    this.#isOpen = null;
    this.onAgentPort(isOpen);
  }
}

/** The rest of what comes stays in the stream. Null when it ends instead, as it does where nobody listens. */
async function readAnswer(task: Task, socket: Socket): Promise<Socket | null> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let said = Buffer.alloc(0);
  const read = () => {
    for (let bytes = socket.read(); bytes !== null; bytes = socket.read()) said = Buffer.concat([said, bytes]);
    const end = said.indexOf('\n');
    if (end < 0 && said.length < MAX_WORD_BYTES) return;
    socket.off('readable', read);
    if (said.length > end + 1) socket.unshift(said.subarray(end + 1));
    resolve(/^OK \d+$/.test(said.toString('latin1', 0, end)));
  };
  const fail = () => resolve(false);
  socket.on('readable', read).on('error', fail).on('end', fail).on('close', fail);
  socket.write(`CONNECT ${VSOCK_PORTS.agent}\n`); // in one write, or Firecracker drops it
  try {
    if (await task.race(promise)) return socket;
  } catch (fault) {
    socket.destroy();
    throw fault;
  } finally {
    socket.off('readable', read).off('end', fail).off('close', fail);
  }
  socket.destroy();
  return null;
}
