/**
 * As much HTTP/1.1 as the owner API needs, over a unix socket: one request a connection, the answer's body as a stream
 * of bytes with the socket's own backpressure. Node's `http` module would do the same, but loading it takes longer than
 * the whole of `banger vm ls`; docs/decisions/ has the numbers.
 */
import { connect, type Socket } from 'node:net';
import { abortError, BangerError, toBangerError } from '@banger/contract/errors.ts';

const MAX_HEAD_BYTES = 65_536;
const MAX_CHUNK_LINE_BYTES = 1024;
/** Above it the socket is not read, and whoever writes waits */
const MAX_QUEUED_BYTES = 1024 * 1024;

export type HttpRequest = {
  method: string;
  path: string;
  headers?: Record<string, string>;
  /** A text is sent with its length, a stream in chunks */
  body?: string | AsyncIterable<Uint8Array>;
  /** Closes the connection, at any time until the body's end */
  signal?: AbortSignal;
  /** For an upgraded connection that goes on when the other side has ended its half */
  allowHalfOpen?: boolean;
};

export type HttpAnswer = {
  status: number;
  /** Names in lower case */
  headers: ReadonlyMap<string, string>;
  body: AsyncGenerator<Buffer, void>;
  /** Ends the connection, whether the body was read or not */
  close: () => void;
  /** For an upgraded connection: the socket, and its bytes after the head */
  socket: Socket;
  source: ByteSource;
};

export async function requestHttp(socketPath: string, request: HttpRequest): Promise<HttpAnswer> {
  const socket = await openSocket(socketPath, request);
  const source = new ByteSource(socket);
  const sending = sendRequest(socket, request);
  // Half a body is not ended as a whole one would be; by then the answer may have begun, and its reader hears why.
  sending.catch((fault) => socket.destroy(toBangerError(fault)));
  try {
    const head = await Promise.race([readHead(source), failureOf(sending)]);
    const body = readBody(source, head, socket);
    return { ...head, body, close: () => socket.destroy(), socket, source };
  } catch (error) {
    socket.destroy();
    if (request.signal?.aborted) throw aborted(request.signal);
    throw !source.hasBegun && isUntaken(request, error) ? untaken(error) : error;
  }
}

/**
 * Whether a connection that broke before a word of an answer did so before the daemon had the whole request. A unix socket
 * tells: who closes it over bytes that were not read resets it, and so does the kernel to those that were not accepted. Of
 * a body that comes in pieces something may have been made already, and it is not there a second time.
 */
function isUntaken({ method, headers, body }: HttpRequest, error: unknown): error is BangerError {
  if (!(error instanceof BangerError) || error.code !== 'DAEMON_UNREACHABLE' || typeof body === 'object') return false;
  const happensLater = method === 'GET' || headers?.upgrade !== undefined;
  return happensLater || ['ECONNRESET', 'EPIPE'].includes(error.details?.errno as string);
}

function untaken({ code, message, hint, details, cause }: BangerError): BangerError {
  return new BangerError(code, { message, ...(hint && { hint }), details: { ...details, isUntaken: true }, cause });
}

/** Reads what is left of an answer as text, which may not be longer than `maxBytes`. */
export async function readText(body: AsyncIterable<Buffer>, maxBytes = 64 * 2 ** 20): Promise<string> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of body) {
    lengthBytes += chunk.length;
    if (lengthBytes > maxBytes) throw brokenAnswer(`it is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function openSocket(socketPath: string, { signal, allowHalfOpen = false }: HttpRequest): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const socket = connect({ path: socketPath, allowHalfOpen });
    const onAbort = () => socket.destroy(signal && aborted(signal));
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => signal?.removeEventListener('abort', onAbort));
    const onRefused = (cause: Error) => reject(cause instanceof BangerError ? cause : unreachable(socketPath, cause));
    socket.once('error', onRefused);
    socket.once('connect', () => {
      socket.off('error', onRefused);
      socket.on('error', () => {}); // whoever reads or writes hears of it
      resolve(socket);
    });
  });
}

async function sendRequest(socket: Socket, { method, path, headers = {}, body }: HttpRequest): Promise<void> {
  const lines = [`${method} ${path} HTTP/1.1`, 'host: banger'];
  if (headers.connection === undefined) lines.push('connection: close');
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (typeof body === 'string') lines.push(`content-length: ${Buffer.byteLength(body)}`);
  else if (body !== undefined) lines.push('transfer-encoding: chunked');
  else if (method !== 'GET') lines.push('content-length: 0');
  const head = `${lines.join('\r\n')}\r\n\r\n`;

  if (typeof body === 'string' || body === undefined) {
    socket.write(head + (body ?? ''));
    return;
  }
  socket.write(head);
  for await (const chunk of body) {
    if (chunk.length === 0) continue;
    if (socket.destroyed || !socket.writable) return; // answered early; the answer says why
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    const canTakeMore = socket.write('\r\n');
    socket.uncork();
    if (!canTakeMore) await drained(socket);
  }
  if (socket.writable) socket.write('0\r\n\r\n');
}

/** Rejects when the promise does, and else never settles: a request that was sent is not yet an answer. */
function failureOf(sending: Promise<void>): Promise<never> {
  return new Promise((_, reject) => {
    sending.catch(reject);
  });
}

/** Resolves when the socket can take more, or will never again. */
export function drained(socket: Socket): Promise<void> {
  if (!socket.writableNeedDrain || socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

type Head = { status: number; headers: ReadonlyMap<string, string> };

async function readHead(source: ByteSource): Promise<Head> {
  for (;;) {
    const [statusLine = '', ...headerLines] = (await source.readThrough('\r\n\r\n', MAX_HEAD_BYTES)).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1]);
    if (Number.isNaN(status)) throw brokenAnswer('it does not begin like HTTP');
    if (status === 100) continue;
    const headers = new Map<string, string>();
    for (const line of headerLines) {
      const colon = line.indexOf(':');
      if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    return { status, headers };
  }
}

async function* readBody(source: ByteSource, { status, headers }: Head, socket: Socket): AsyncGenerator<Buffer, void> {
  try {
    if (status === 204 || status === 304) return;
    if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') yield* readChunks(source);
    else if (headers.has('content-length')) yield* source.readExactly(Number(headers.get('content-length')));
    else yield* source.readRest();
  } finally {
    socket.destroy();
  }
}

async function* readChunks(source: ByteSource): AsyncGenerator<Buffer> {
  for (;;) {
    const line = await source.readThrough('\r\n', MAX_CHUNK_LINE_BYTES);
    const sizeText = line.split(';', 1)[0]?.trim() ?? '';
    if (!/^[0-9a-f]{1,12}$/i.test(sizeText)) throw brokenAnswer('a chunk has no length');
    const sizeBytes = Number.parseInt(sizeText, 16);
    if (sizeBytes === 0) return; // trailers, if any, go with the connection
    yield* source.readExactly(sizeBytes);
    await source.readThrough('\r\n', 2);
  }
}

/**
 * Bytes of a socket in the order they came. They are taken from the socket as they arrive, up to a bound, so that a
 * connection that breaks does not take along what came before: a command's last words, and its exit code.
 */
export class ByteSource {
  readonly #socket: Socket;
  readonly #queue: Buffer[] = [];
  #queuedBytes = 0;
  #hasEnded = false;
  #fault: Error | null = null;
  /** Whether anything came */
  hasBegun = false;
  #wake = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onEnd).on('error', this.#onError);
  }

  /** The next bytes, however many there are; null at the end. Throws DAEMON_UNREACHABLE when the connection breaks. */
  async next(): Promise<Buffer | null> {
    for (;;) {
      const bytes = this.#queue.shift();
      if (bytes) {
        this.#queuedBytes -= bytes.length;
        if (this.#queuedBytes < MAX_QUEUED_BYTES) this.#socket.resume();
        return bytes;
      }
      if (this.#fault) throw this.#fault instanceof BangerError ? this.#fault : connectionLost(this.#fault);
      if (this.#hasEnded) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Gives the socket back, with what was read too far. */
  release(): Socket {
    this.#socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('close', this.#onEnd)
      .off('error', this.#onError);
    this.#socket.pause();
    for (const bytes of this.#queue.splice(0).reverse()) this.#socket.unshift(bytes);
    return this.#socket;
  }

  readonly #onData = (bytes: Buffer) => {
    this.hasBegun = true;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes >= MAX_QUEUED_BYTES) this.#socket.pause();
    this.#wake();
  };

  readonly #onEnd = () => {
    this.#hasEnded = true;
    this.#wake();
  };

  readonly #onError = (fault: Error) => {
    this.#fault = fault;
    this.#wake();
  };

  /** What was read too far comes again. */
  #putBack(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#queue.unshift(bytes);
    this.#queuedBytes += bytes.length;
  }

  async readThrough(mark: string, maxBytes: number): Promise<string> {
    let bytes: Buffer = Buffer.alloc(0);
    for (;;) {
      const next = await this.next();
      if (next === null) throw connectionLost();
      bytes = bytes.length === 0 ? next : Buffer.concat([bytes, next]);
      const at = bytes.indexOf(mark);
      if (at >= 0) {
        this.#putBack(bytes.subarray(at + mark.length));
        return bytes.toString('latin1', 0, at);
      }
      if (bytes.length > maxBytes) throw brokenAnswer('a line has no end');
    }
  }

  async *readExactly(lengthBytes: number): AsyncGenerator<Buffer> {
    let left = lengthBytes;
    while (left > 0) {
      const next = await this.next();
      if (next === null) throw connectionLost();
      const mine = next.subarray(0, left);
      this.#putBack(next.subarray(left));
      left -= mine.length;
      yield mine;
    }
  }

  async *readRest(): AsyncGenerator<Buffer> {
    for (let next = await this.next(); next !== null; next = await this.next()) yield next;
  }
}

/** No socket, one that a dead daemon left, and one of a daemon that ended before it accepted */
const NOBODY = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET'];

/** A limit of ours says nothing about the daemon. */
function unreachable(socketPath: string, cause: Error): BangerError {
  const ours = toBangerError(cause);
  if (ours.code === 'TOO_MANY_FILES' || ours.code === 'NOT_ENOUGH_MEMORY') return ours;
  const errno = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  return new BangerError('DAEMON_UNREACHABLE', {
    message: `Nobody answers on the daemon's socket ${socketPath} (${errno}).`,
    hint: '"banger daemon start" starts the daemon and says why when it cannot.',
    details: { socketPath, errno, isUntaken: NOBODY.includes(errno) },
    cause,
  });
}

function connectionLost(cause?: unknown): BangerError {
  return new BangerError('DAEMON_UNREACHABLE', {
    message: 'The daemon closed the connection in the middle of an answer.',
    hint: 'It may have been stopped or killed; "banger daemon status" tells, and its log is daemon.log in the state folder.',
    details: { errno: (cause as NodeJS.ErrnoException | undefined)?.code ?? 'end' },
    cause,
  });
}

function brokenAnswer(how: string): BangerError {
  return new BangerError('INTERNAL', { message: `The daemon's answer is not understood: ${how}.` });
}

function aborted(signal: AbortSignal): BangerError {
  return abortError(signal, 'The program that had sent this request to the daemon gave it up.');
}
