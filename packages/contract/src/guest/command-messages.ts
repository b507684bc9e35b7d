/**
 * The JSON in the frames of a command, read as what a hostile guest may have sent. By hand, since a command should start
 * fast, and a library of schemas takes longer to load than all the rest.
 */
import { BangerError } from '../errors.ts';
import { textOf } from './frames.ts';

export type AgentFailure = { code: string; message: string };
export type ExecStarted = { id: string; pid: number; droppedBytes: number };
export type ExecExit = { code: number } | { signal: string };

const MAX_CODE_LENGTH = 64;
const MAX_MESSAGE_LENGTH = 1024;
const SESSION_ID = /^[A-Za-z0-9-]{1,64}$/;
/** A name as in SIGTERM, or a number for the signals that have none */
const SIGNAL = /^(?:[A-Z][A-Z0-9]{1,11}|[1-9]|[1-5][0-9]|6[0-4])$/;

/** Throws AGENT_PROTOCOL, as the others do. */
export function readStarted(payload: Uint8Array): ExecStarted {
  const { id, pid, droppedBytes } = readObject(payload);
  if (!isSessionId(id) || !isCount(pid) || !isCount(droppedBytes)) throw malformed('STARTED');
  return { id, pid, droppedBytes };
}

export function readExit(payload: Uint8Array): ExecExit {
  const exit = readObject(payload);
  if (!isExit(exit)) throw malformed('EXIT');
  return exit;
}

/** A long message is cut. */
export function readFailure(payload: Uint8Array): AgentFailure {
  const failure = toFailure(readObject(payload));
  if (!failure) throw malformed('FAILED');
  return failure;
}

export function toFailure({ code, message }: Record<string, unknown>): AgentFailure | null {
  if (typeof code !== 'string' || typeof message !== 'string') return null;
  return { code: code.slice(0, MAX_CODE_LENGTH), message: message.slice(0, MAX_MESSAGE_LENGTH) };
}

export function isExit(value: unknown): value is ExecExit {
  if (typeof value !== 'object' || value === null) return false;
  if ('code' in value) return isCount(value.code) && value.code <= 255;
  return 'signal' in value && typeof value.signal === 'string' && SIGNAL.test(value.signal);
}

export function isSessionId(value: unknown): value is string {
  return typeof value === 'string' && SESSION_ID.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function readObject(payload: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(textOf(payload));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // what is no JSON is no object either
  }
  throw malformed('JSON');
}

function malformed(what: string): BangerError {
  return new BangerError('AGENT_PROTOCOL', {
    message: `The guest does not keep to the protocol: it sent something about a command that is not ${what}.`,
    hint: 'The guest may be hostile or damaged; "banger vm logs" shows its console.',
  });
}
