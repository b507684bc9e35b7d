/**
 * The root helper, asked in the words of `contract/src/privileged`, with typed answers. It is asked one thing at a time, since it
 * does one at a time, and turns away who asks for many. Each request has a connection of its own, so that an answer which comes
 * too late for it is nobody's. What it is told it does to its end, also when the task that asked is cancelled meanwhile: whoever
 * asks registers the opposite first, and that waits for its turn.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { BangerError } from '@banger/contract/errors.ts';
import {
  OPERATIONS,
  type OperationAnswer,
  type OperationInput,
  type OperationName,
  type RefusalCode,
  refusalSchema,
} from '@banger/contract/privileged/operations.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import type { Task } from '../platform/task.ts';

/** Of a helper that answers, which others of the owner's may keep busy */
const ANSWER_MS = 60_000;
/** The longest answer is a list of as many machines as there are leases */
const MAX_ANSWER_BYTES = 4 * 2 ** 20;

const HINTS: Partial<Record<RefusalCode, string>> = {
  NOT_ALLOWED: 'It serves the user that banger was installed for, and root.',
  MISSING: 'Install what is missing, and try again.',
};

export type Privileged = ReturnType<typeof createPrivileged>;

/** The helper's own code and words; null for what is no refusal of its. */
export function refusalOf(fault: unknown): { code: RefusalCode; why: string } | null {
  const details = fault instanceof BangerError && fault.code === 'HELPER_REFUSED' ? fault.details : undefined;
  return typeof details?.refusal === 'string'
    ? { code: details.refusal as RefusalCode, why: String(details.why) }
    : null;
}

export function createPrivileged({ socketPath }: { socketPath: string }) {
  const oneAtATime = createOneAtATime();
  return { ask };

  /** Throws HELPER_MISSING, or HELPER_REFUSED with the helper's own code as `details.refusal` and its words as `details.why`. */
  function ask<Name extends OperationName>(
    task: Task,
    name: Name,
    input: OperationInput<Name>,
  ): Promise<OperationAnswer<Name>> {
    return oneAtATime.run(task, socketPath, () => askOnce(task, name, input));
  }

  async function askOnce<Name extends OperationName>(
    task: Task,
    name: Name,
    input: OperationInput<Name>,
  ): Promise<OperationAnswer<Name>> {
    const line = `${JSON.stringify({ do: name, ...OPERATIONS[name].input.parse(input) })}\n`;
    const waiting = task.within(ANSWER_MS);
    const socket = await connectTo(waiting, socketPath);
    try {
      socket.write(line);
      return readAnswer(name, await waiting.race(readWhole(socket)));
    } finally {
      socket.destroy();
    }
  }
}

function readAnswer<Name extends OperationName>(name: Name, text: string): OperationAnswer<Name> {
  const { done, refused } = parseObject(text);
  const refusal = refusalSchema.safeParse(refused).data;
  if (refusal) {
    const { code, message } = refusal;
    throw refusedBy(`The root helper refused "${name}": ${message}.`, code, message);
  }
  const answer = OPERATIONS[name].answer.safeParse(done);
  if (!answer.success) throw malformed(`it answers "${name}" with something else`);
  return answer.data as OperationAnswer<Name>;
}

async function connectTo(task: Task, path: string): Promise<Socket> {
  const socket = connect(path);
  try {
    await task.race(once(socket, 'connect'));
  } catch (fault) {
    socket.destroy();
    throw unreachable(path, fault);
  }
  socket.on('error', () => {}); // one that goes away in the middle ends the answer, and that is told
  return socket;
}

/** The socket is the owner's: to others the kernel refuses it, as the helper itself would. */
export function unreachable(path: string, fault: unknown): BangerError {
  if (fault instanceof BangerError) return fault;
  if ((fault as NodeJS.ErrnoException).code === 'EACCES') {
    return refusedBy(
      'The root helper of banger is for another user.',
      'NOT_ALLOWED',
      `${path} is closed to you`,
      fault,
    );
  }
  return new BangerError('HELPER_MISSING', {
    message: 'The root helper of banger is not there.',
    hint: `It listens at ${path} where banger is installed for the whole system.`,
    cause: fault,
  });
}

async function readWhole(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  let lengthBytes = 0;
  try {
    for await (const piece of socket as AsyncIterable<Buffer>) {
      lengthBytes += piece.length;
      if (lengthBytes > MAX_ANSWER_BYTES) throw malformed('its answer does not end');
      pieces.push(piece);
    }
  } catch (fault) {
    if (fault instanceof BangerError) throw fault;
    if (lengthBytes === 0) throw malformed('it went away without an answer', fault);
  }
  return Buffer.concat(pieces).toString();
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (fault) {
    throw malformed('its answer is cut off', fault);
  }
  throw malformed('its answer is none');
}

function refusedBy(message: string, refusal: RefusalCode, why: string, cause?: unknown): BangerError {
  const hint = HINTS[refusal];
  return new BangerError('HELPER_REFUSED', { message, ...(hint && { hint }), details: { refusal, why }, cause });
}

function malformed(what: string, cause?: unknown): BangerError {
  return new BangerError('HELPER_REFUSED', {
    message: `The root helper did not do what it was asked to: ${what}.`,
    hint: 'Its journal says more: journalctl -u banger-root.',
    cause,
  });
}
