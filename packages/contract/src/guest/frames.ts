/**
 * Frames of a command's two-way stream: one byte of type, four of payload length (big endian), the payload.
 * The same frames travel between command line and daemon and between daemon and agent. See docs/agent-protocol.md.
 */
import { BangerError } from '../errors.ts';

export const MAX_FRAME_PAYLOAD_BYTES = 65_536;
/** The longest command that Linux takes, when every byte of it is escaped in JSON */
const MAX_START_PAYLOAD_BYTES = 16 * 2 ** 20;
const HEADER_BYTES = 5;

export const FRAME = {
  START: 0x01,
  ATTACH: 0x02,
  STDIN: 0x03,
  STDIN_END: 0x04,
  RESIZE: 0x05,
  SIGNAL: 0x06,
  STARTED: 0x81,
  STDOUT: 0x82,
  STDERR: 0x83,
  EXIT: 0x84,
  FAILED: 0x85,
} as const;

export type FrameType = (typeof FRAME)[keyof typeof FRAME];
export type Frame = { type: FrameType; payload: Uint8Array };

const TYPES = new Set<number>(Object.values(FRAME));

export function encodeFrame(type: FrameType, payload: Uint8Array | string = ''): Uint8Array {
  const body = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
  const maxBytes = type === FRAME.START ? MAX_START_PAYLOAD_BYTES : MAX_FRAME_PAYLOAD_BYTES;
  if (body.length > maxBytes) throw protocolError(`a frame of ${body.length} bytes is too long to send`);
  const frame = new Uint8Array(HEADER_BYTES + body.length);
  frame[0] = type;
  new DataView(frame.buffer).setUint32(1, body.length);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** Splits a chunk of any size into frames. */
export function* encodeChunks(type: FrameType, chunk: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < chunk.length; at += MAX_FRAME_PAYLOAD_BYTES) {
    yield encodeFrame(type, chunk.subarray(at, at + MAX_FRAME_PAYLOAD_BYTES));
  }
}

/** The payload of a frame of JSON. */
export function textOf(payload: Uint8Array): string {
  return new TextDecoder().decode(payload);
}

/** Takes bytes as they arrive and gives whole frames. Throws AGENT_PROTOCOL on an unknown type or a length out of bounds. */
export class FrameReader {
  #pending: Uint8Array = new Uint8Array(0);
  readonly #maxStartBytes: number;

  /** From a host comes START, which may be long. */
  constructor(from: 'guest' | 'host' = 'guest') {
    this.#maxStartBytes = from === 'host' ? MAX_START_PAYLOAD_BYTES : MAX_FRAME_PAYLOAD_BYTES;
  }

  push(bytes: Uint8Array): Frame[] {
    let rest = this.#pending.length === 0 ? bytes : joined(this.#pending, bytes);
    const frames: Frame[] = [];
    while (rest.length >= HEADER_BYTES) {
      const type = rest[0] as number;
      const lengthBytes = new DataView(rest.buffer, rest.byteOffset).getUint32(1);
      if (!TYPES.has(type)) throw protocolError(`there is no frame of type 0x${type.toString(16)}`);
      const maxBytes = type === FRAME.START ? this.#maxStartBytes : MAX_FRAME_PAYLOAD_BYTES;
      if (lengthBytes > maxBytes) throw protocolError(`a frame announces ${lengthBytes} bytes`);
      if (rest.length < HEADER_BYTES + lengthBytes) break;
      frames.push({ type: type as FrameType, payload: rest.subarray(HEADER_BYTES, HEADER_BYTES + lengthBytes) });
      rest = rest.subarray(HEADER_BYTES + lengthBytes);
    }
    this.#pending = rest;
    return frames;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

function protocolError(what: string): BangerError {
  return new BangerError('AGENT_PROTOCOL', {
    message: `The command's stream is broken: ${what}.`,
    hint: 'The guest may be hostile or damaged; "banger vm logs" shows its console.',
  });
}
