/**
 * HTTP/2 to the agent, over the one byte stream there is: bounded requests, and a notice when the agent is gone.
 *
 * The agent is the server, and may be hostile. Headers and bodies are bounded, every answer has a deadline, and a
 * session in which anything breaks ends as a whole.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { ErrorCode } from '@banger/contract/errors.ts';
import type { z } from 'zod';
import { countDown, deadlineAfter } from '../platform/deadline.ts';
import type { Task } from '../platform/task.ts';
import { agentLost, agentNonsense, parseRefusal } from './agent-errors.ts';
import { parseJson } from './parse-json.ts';

const MIB = 1024 * 1024;
const MAX_BODY_BYTES = 16 * MIB; // 128 sessions with their arguments
const MAX_REFUSAL_BYTES = 64 * 1024;
export const ANSWER_DEADLINE_MS = 30_000;
const PING_EVERY_MS = 20_000;
/** A guest under load, or a laptop that wakes up, may be silent for this long */
const SILENCE_MS = 60_000;
/** An agent that has just come back has little else to do, and answers sooner */
const PROBE_MS = 5000;

export type AgentRequest = {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
  /** What the agent's NOT_FOUND means here */
  notFound?: ErrorCode;
  /** Until the head of the answer, for a request that may take long */
  deadlineMs?: number;
};
export type OpenedStream = { stream: ClientHttp2Stream; headers: Record<string, unknown> };

export class AgentSession {
  /** Resolves with the reason when the agent can no longer be asked */
  readonly closed: Promise<string>;
  readonly #session: ClientHttp2Session;
  #whyClosed: string | null = null;

  static async open(stream: Duplex): Promise<AgentSession> {
    const session = connect('http://agent', {
      createConnection: () => stream,
      settings: { enablePush: false, initialWindowSize: MIB, maxHeaderListSize: 16 * 1024 },
      maxSessionMemory: 64, // in MB: the windows of some slow readers
      maxHeaderListPairs: 64,
      maxReservedRemoteStreams: 0,
      peerMaxConcurrentStreams: 256,
    });
    const opened = new AgentSession(session);
    await new Promise<void>((resolve) => session.once('connect', () => resolve()).once('close', () => resolve()));
    if (!session.destroyed) session.setLocalWindowSize(16 * MIB);
    return opened;
  }

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
    const heart = setInterval(() => this.#ping(), PING_EVERY_MS).unref();
    session.on('error', (fault) => this.#close(`its stream broke (${fault.message})`));
    session.on('goaway', () => this.#close('it ended the session'));
    this.closed = new Promise((resolve) => {
      session.once('close', () => {
        clearInterval(heart);
        this.#whyClosed ??= 'its stream ended';
        resolve(this.#whyClosed);
      });
    });
  }

  get isClosed(): boolean {
    return this.#whyClosed !== null || this.#session.destroyed;
  }

  close(why = 'the daemon closed the session'): void {
    this.#close(why);
  }

  /** A request whose answer is small, and parsed. */
  async ask<Answer>(task: Task, request: AgentRequest, schema: z.ZodType<Answer>): Promise<Answer> {
    const { stream } = await this.open(task, request);
    const body = await this.#withDeadline(task, stream, readBody(stream, MAX_BODY_BYTES));
    const answer = schema.safeParse(parseJson(body.toString('utf8')));
    if (answer.success) return answer.data;
    throw agentNonsense(`its answer to ${request.method} ${request.path.split('?')[0]} is malformed`, answer.error);
  }

  /** A request whose answer has no body. */
  async tell(task: Task, request: AgentRequest): Promise<void> {
    const { stream } = await this.open(task, request);
    stream.destroy();
  }

  /** Sends a whole request and waits for the head of a good answer; a bad one is thrown. */
  async open(task: Task, request: AgentRequest): Promise<OpenedStream> {
    const stream = this.begin(request);
    stream.end(request.body === undefined ? undefined : JSON.stringify(request.body));
    return this.answerTo(task, stream, request.notFound, request.deadlineMs);
  }

  /** Sends the head of a request; the caller writes its body. */
  begin({ method, path }: AgentRequest): ClientHttp2Stream {
    if (this.isClosed) throw agentLost(this.#whyClosed ?? 'its stream ended');
    const stream = this.#session.request({ ':method': method, ':path': path }, { endStream: false });
    stream.on('error', () => {}); // each waiter has a listener of its own
    return stream;
  }

  /** A TCP connection inside the guest; each side may end its half. */
  async connect(task: Task, authority: string, refused: ErrorCode): Promise<ClientHttp2Stream> {
    if (this.isClosed) throw agentLost(this.#whyClosed ?? 'its stream ended');
    const stream = this.#session.request({ ':method': 'CONNECT', ':authority': authority }, { endStream: false });
    stream.on('error', () => {});
    await this.answerTo(task, stream, refused);
    return stream;
  }

  async answerTo(
    task: Task,
    stream: ClientHttp2Stream,
    notFound?: ErrorCode,
    deadlineMs = ANSWER_DEADLINE_MS,
  ): Promise<OpenedStream> {
    const headers = await this.#withDeadline(task, stream, headOf(stream), deadlineMs);
    const status = Number(headers[':status']);
    if (status >= 200 && status < 300) return { stream, headers };
    const refusal = await this.#withDeadline(task, stream, readBody(stream, MAX_REFUSAL_BYTES));
    stream.destroy();
    throw parseRefusal(refusal, notFound);
  }

  async #withDeadline<Value>(
    task: Task,
    stream: ClientHttp2Stream,
    answer: Promise<Value>,
    deadlineMs = ANSWER_DEADLINE_MS,
  ): Promise<Value> {
    const deadline = deadlineAfter(deadlineMs);
    answer.catch(() => {}); // the caller may give up
    try {
      return await task.withSignal(deadline).race(answer);
    } catch (fault) {
      stream.close(constants.NGHTTP2_CANCEL);
      task.check();
      if (deadline.aborted) throw agentLost(`it did not answer within ${deadlineMs / 1000} s`);
      throw this.isClosed ? agentLost(this.#whyClosed ?? 'its stream ended', fault) : fault;
    }
  }

  /** Closes the session soon unless the agent answers. */
  probe(): void {
    this.#ping(PROBE_MS);
  }

  #ping(limitMs = SILENCE_MS): void {
    const silence = countDown(limitMs, () => this.#close(`it was silent for ${limitMs / 1000} s`));
    const isSent = !this.#session.destroyed && this.#session.ping(silence.stop);
    if (!isSent) silence.stop(); // earlier pings are still open, and each has its own limit
  }

  #close(why: string): void {
    this.#whyClosed ??= why;
    this.#session.destroy();
  }
}

function headOf(stream: ClientHttp2Stream): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers) => resolve(headers));
    stream.once('error', (fault) => reject(agentLost(`it broke off a request (${fault.message})`, fault)));
    stream.once('close', () => reject(agentLost('it broke off a request')));
  });
}

function readBody(stream: ClientHttp2Stream, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    stream.on('data', (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) {
        stream.close(constants.NGHTTP2_CANCEL);
        reject(agentNonsense(`an answer is longer than ${maxBytes} bytes`));
      }
      chunks.push(chunk);
    });
    stream.once('end', () => resolve(Buffer.concat(chunks)));
    stream.once('error', (fault) => reject(agentLost(`it broke off an answer (${fault.message})`, fault)));
    stream.once('close', () => reject(agentLost('it broke off an answer')));
  });
}
