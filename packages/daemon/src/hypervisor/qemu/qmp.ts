/**
 * QEMU's control socket: one JSON object a line, commands answered by id, events in between.
 *
 * A machine has one, and QEMU serves one client at a time. QEMU may have been taken over by its guest, so lines are
 * bounded and every wait has a deadline.
 */
import type { Socket } from 'node:net';
import { BangerError } from '@banger/contract/errors.ts';
import { z } from 'zod';
import { deadlineAfter } from '../../platform/deadline.ts';
import type { Task } from '../../platform/task.ts';
import { connectSocket } from '../../platform/unix-sockets.ts';

export type QmpEvent = { name: string; data: Record<string, unknown> };

/** What is asked here is answered in less than one KiB; it is joined anew for each piece that comes */
const MAX_LINE_BYTES = 64 * 1024;
const ANSWER_DEADLINE_MS = 10_000;

const messageSchema = z.union([
  z.object({ QMP: z.object({}) }),
  z.object({ event: z.string(), data: z.record(z.string(), z.unknown()).default({}) }),
  z.object({ id: z.int(), return: z.unknown() }),
  z.object({ id: z.int().optional(), error: z.object({ class: z.string(), desc: z.string() }) }),
]);
type Message = z.infer<typeof messageSchema>;
type Waiting = { resolve: (answer: unknown) => void; reject: (fault: Error) => void };

export class QmpConnection {
  /** Resolves when QEMU has gone, or said something that is not QMP */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #onEvent: (event: QmpEvent) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #greeted = Promise.withResolvers<void>();
  #partialLine: Buffer = Buffer.alloc(0);
  #lastId = 0;

  /** Connected, greeted, and in command mode. */
  static async connect(task: Task, path: string, onEvent: (event: QmpEvent) => void): Promise<QmpConnection> {
    const socket = await connectSocket(task, path);
    const connection = new QmpConnection(socket, onEvent);
    try {
      await task.race(connection.#greeted.promise);
      await connection.execute(task, 'qmp_capabilities');
      return connection;
    } catch (fault) {
      connection.close();
      throw fault;
    }
  }

  private constructor(socket: Socket, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    this.#greeted.promise.catch(() => {}); // connect() waits for it, or has given up
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', () => {}); // "close" follows
    socket.once('close', () => this.#failAll());
  }

  async execute(task: Task, command: string, input: Record<string, unknown> = {}): Promise<unknown> {
    if (this.#socket.destroyed) throw controlLost();
    const id = ++this.#lastId;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    answer.catch(() => {}); // the caller may have given up
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: input, id })}\n`);
    const deadline = deadlineAfter(ANSWER_DEADLINE_MS);
    try {
      return await task.withSignal(deadline).race(answer);
    } catch (fault) {
      if (deadline.aborted && !task.signal.aborted) throw noAnswer(command);
      throw fault;
    } finally {
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    let rest = this.#partialLine.length === 0 ? bytes : Buffer.concat([this.#partialLine, bytes]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const message = parseMessage(rest.subarray(0, end));
      if (message) this.#take(message);
      else this.close();
      rest = rest.subarray(end + 1);
    }
    if (rest.length > MAX_LINE_BYTES) this.close();
    this.#partialLine = rest;
  }

  #take(message: Message): void {
    if ('QMP' in message) this.#greeted.resolve();
    else if ('event' in message) this.#onEvent({ name: message.event, data: message.data });
    else if ('error' in message) this.#waiting.get(message.id ?? -1)?.reject(refused(message.error.desc));
    else this.#waiting.get(message.id)?.resolve(message.return);
  }

  #failAll(): void {
    this.#greeted.reject(controlLost());
    for (const waiting of this.#waiting.values()) waiting.reject(controlLost());
  }
}

function parseMessage(line: Buffer): Message | null {
  try {
    return messageSchema.parse(JSON.parse(line.toString('utf8')));
  } catch {
    return null;
  }
}

function controlLost(): BangerError {
  return new BangerError('HYPERVISOR_FAILED', { message: "QEMU's control socket closed." });
}

function noAnswer(command: string): BangerError {
  const message = `QEMU did not answer "${command}" within ${ANSWER_DEADLINE_MS / 1000} s.`;
  return new BangerError('VM_SILENT', { message, hint: 'The host may be busy: try again.' });
}

function refused(reason: string): BangerError {
  return new BangerError('HYPERVISOR_FAILED', { message: `QEMU refused a command: ${reason}` });
}
