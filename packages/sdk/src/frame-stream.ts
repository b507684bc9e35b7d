/** A command's two-way stream of frames, on a connection that was upgraded. */
import type { Socket } from 'node:net';
import { BangerError } from '@banger/contract/errors.ts';
import {
  encodeChunks,
  encodeFrame,
  FRAME,
  type Frame,
  FrameReader,
  type FrameType,
} from '@banger/contract/guest/frames.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import { type ByteSource, drained } from './http.ts';

export class FrameStream {
  readonly #socket: Socket;
  readonly #source: ByteSource;

  constructor(socket: Socket, source: ByteSource) {
    this.#socket = socket;
    this.#source = source;
  }

  start(start: ExecStart): Promise<void> {
    return this.#write(encodeFrame(FRAME.START, JSON.stringify(start)));
  }

  attach(session: string): Promise<void> {
    return this.#write(encodeFrame(FRAME.ATTACH, JSON.stringify({ id: session })));
  }

  /** Resolves when the stream can take more, so that a reader of stdin waits for the guest. */
  async stdin(bytes: Buffer): Promise<void> {
    for (const frame of encodeChunks(FRAME.STDIN, bytes)) await this.#write(frame);
  }

  endStdin(): Promise<void> {
    return this.#write(encodeFrame(FRAME.STDIN_END));
  }

  /** For a frame of JSON: RESIZE, SIGNAL. */
  sendJson(type: FrameType, message: unknown): Promise<void> {
    return this.#write(encodeFrame(type, JSON.stringify(message)));
  }

  /** Ends when the other side closes, or the connection breaks: without an EXIT both mean that the command was lost. */
  async *frames(): AsyncGenerator<Frame, void> {
    const reader = new FrameReader();
    for (let bytes = await this.#next(); bytes !== null; bytes = await this.#next()) yield* reader.push(bytes);
  }

  async #next(): Promise<Buffer | null> {
    try {
      return await this.#source.next();
    } catch (fault) {
      if (fault instanceof BangerError && fault.code === 'DAEMON_UNREACHABLE') return null;
      throw fault;
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #write(frame: Buffer): Promise<void> {
    if (this.#socket.destroyed || !this.#socket.writable) return Promise.resolve(); // frames() says what happened
    this.#socket.write(frame);
    return drained(this.#socket);
  }
}
