/** A command's two-way stream of frames, on a connection that was upgraded. */
import type { Socket } from 'node:net';
import { BangerError } from '@banger/contract/errors.ts';
import { type CommandEvent, readCommandEvents } from '@banger/contract/guest/command-events.ts';
import { checkCommandSize } from '@banger/contract/guest/command-size.ts';
import { encodeChunks, encodeFrame, FRAME } from '@banger/contract/guest/frames.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import { type ByteSource, drained } from './http.ts';

export class FrameStream {
  readonly #socket: Socket;
  readonly #source: ByteSource;

  constructor(socket: Socket, source: ByteSource) {
    this.#socket = socket;
    this.#source = source;
  }

  /** Throws COMMAND_TOO_LONG. */
  async start(start: ExecStart): Promise<void> {
    checkCommandSize(start);
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

  resize(size: { cols: number; rows: number }): Promise<void> {
    return this.#write(encodeFrame(FRAME.RESIZE, JSON.stringify(size)));
  }

  /** By its name without SIG. */
  signal(signal: string): Promise<void> {
    return this.#write(encodeFrame(FRAME.SIGNAL, JSON.stringify({ signal })));
  }

  /** Ends when the other side closes, or the connection breaks: without an exit both mean that the command was lost. */
  events(): AsyncGenerator<CommandEvent, void> {
    return readCommandEvents(this.#chunks());
  }

  async *#chunks(): AsyncGenerator<Buffer, void> {
    for (let bytes = await this.#next(); bytes !== null; bytes = await this.#next()) yield bytes;
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

  #write(frame: Uint8Array): Promise<void> {
    if (this.#socket.destroyed || !this.#socket.writable) return Promise.resolve(); // events() tell what happened
    this.#socket.write(frame);
    return drained(this.#socket);
  }
}
