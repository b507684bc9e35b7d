/**
 * Finds the agent at the other end of a byte stream that knows nothing of connections.
 *
 * The host says hello until it is answered, and skips everything else: what an earlier session left in the stream, or
 * what a hostile guest floods it with, up to a bound. Each hello has a nonce of its own and only the answer to the
 * newest one counts. Since the agent answers in order, nothing but HTTP/2 can follow that answer.
 */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { toFailure } from '@banger/contract/guest/command-messages.ts';
import { AGENT_PROTOCOL_VERSION, type AgentInfo, agentInfoSchema } from '@banger/contract/guest/messages.ts';
import type { Task } from '../platform/task.ts';
import { agentNonsense } from './agent-errors.ts';
import { parseJson } from './parse-json.ts';

const RETRY_MS = 1000;
const MAX_LINE_BYTES = 2048;
const MAX_SKIPPED_BYTES = 16 * 1024 * 1024;
/** Longer than an HTTP/2 frame: an agent that waits for the rest of one gets this, and sees that it is not HTTP/2 */
const PADDING = '\n'.repeat(17_000);

/** Leaves the stream paused, right after the agent's answer. Throws VM_BOOT_FAILED, AGENT_PROTOCOL, CANCELLED or TIMED_OUT. */
export async function greetAgent(task: Task, stream: Duplex, now: () => number = Date.now): Promise<AgentInfo> {
  const answer = new AnswerFinder();
  const found = Promise.withResolvers<AgentInfo>();
  const read = (bytes: Buffer) => {
    try {
      const info = answer.push(bytes);
      if (!info) return;
      stream.off('data', read);
      stream.pause();
      found.resolve(info);
    } catch (fault) {
      found.reject(fault);
    }
  };
  const onEnd = () => found.reject(streamEnded());

  const sayHello = (padding: string) => stream.write(`${padding}BANGER-HELLO ${answer.expect(newNonce())} ${now()}\n`);
  const retry = setInterval(() => {
    // While the guest boots nobody takes the hello, and another would only queue behind it.
    if (stream.writableLength === 0) sayHello(PADDING);
  }, RETRY_MS);
  stream.on('data', read).on('error', onEnd).on('close', onEnd).on('end', onEnd);
  sayHello('');
  try {
    return await task.race(found.promise);
  } catch (fault) {
    stream.destroy();
    throw fault;
  } finally {
    clearInterval(retry);
    stream.off('data', read).off('close', onEnd).off('end', onEnd);
    stream.on('error', () => {}).off('error', onEnd);
  }
}

/** Takes bytes as they arrive, and gives the answer once it is there. */
export class AnswerFinder {
  #nonce = '';
  #kept: Buffer = Buffer.alloc(0);
  #skippedBytes = 0;

  expect(nonce: string): string {
    this.#nonce = nonce;
    return nonce;
  }

  push(bytes: Buffer): AgentInfo | null {
    const text = Buffer.concat([this.#kept, bytes]);
    const found = this.#find(text, 'READY') ?? this.#find(text, 'FAIL');
    if (!found) {
      this.#keep(text, Math.min(text.length, MAX_LINE_BYTES));
      return null;
    }
    const end = text.indexOf('\n', found.start);
    if (end >= 0 && end - found.start <= MAX_LINE_BYTES) return parseAnswer(found.is, text.subarray(found.start, end));
    if (text.length - found.start > MAX_LINE_BYTES) throw agentNonsense('its answer to hello is too long');
    this.#keep(text, text.length - found.start + this.#prefix(found.is).length);
    return null;
  }

  #prefix(is: Answer): string {
    return `BANGER-${is} ${this.#nonce} `;
  }

  #find(text: Buffer, is: Answer): { is: Answer; start: number } | null {
    const at = text.indexOf(this.#prefix(is));
    return at < 0 ? null : { is, start: at + this.#prefix(is).length };
  }

  #keep(text: Buffer, keptBytes: number): void {
    this.#kept = text.subarray(text.length - keptBytes);
    this.#skippedBytes += text.length - keptBytes;
    if (this.#skippedBytes > MAX_SKIPPED_BYTES) throw agentNonsense('it floods the stream and does not answer hello');
  }
}

type Answer = 'READY' | 'FAIL';

function parseAnswer(is: Answer, line: Buffer): AgentInfo {
  const json = parseJson(line.toString('utf8'));
  if (is === 'FAIL') {
    const failure = toFailure(Object(json));
    throw new BangerError('VM_BOOT_FAILED', {
      message: `The guest could not finish its boot: ${failure ? cleanQuote(failure.message) : 'it does not say why'}.`,
      details: { guestCode: failure ? cleanQuote(failure.code) : 'UNKNOWN' },
    });
  }
  const info = agentInfoSchema.safeParse(json).data;
  if (!info) throw agentNonsense('its answer to hello is malformed');
  if (info.protocol !== AGENT_PROTOCOL_VERSION)
    throw agentNonsense(`it speaks version ${info.protocol} of the protocol`);
  return info;
}

function newNonce(): string {
  return randomBytes(16).toString('hex');
}

function streamEnded(): BangerError {
  return new BangerError('VM_BOOT_FAILED', { message: "The agent's port closed before the agent said hello." });
}
