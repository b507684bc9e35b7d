import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  encodeChunks,
  encodeFrame,
  FRAME,
  FrameReader,
  type FrameType,
  MAX_FRAME_PAYLOAD_BYTES,
  textOf,
} from './frames.ts';

type Sample = { name: string; hex: string; type: FrameType; json?: unknown; text?: string };
const samples = JSON.parse(readFileSync(new URL('../../vectors/frames.json', import.meta.url), 'utf8')) as Sample[];

test('frames are written and read as the samples say', () => {
  for (const { name, hex, type, json, text } of samples) {
    const payload = json === undefined ? (text ?? '') : JSON.stringify(json);
    assert.equal(Buffer.from(encodeFrame(type, payload)).toString('hex'), hex, name);
    const [frame] = new FrameReader().push(Buffer.from(hex, 'hex'));
    assert.equal(frame?.type, type, name);
    assert.equal(textOf(frame?.payload ?? Buffer.alloc(0)), payload, name);
  }
});

test('frames that arrive byte by byte are whole', () => {
  const reader = new FrameReader();
  const bytes = Buffer.concat([encodeFrame(FRAME.STDOUT, 'one'), encodeFrame(FRAME.STDERR, 'two')]);
  const frames = [...bytes].flatMap((byte) => reader.push(Buffer.of(byte)));
  assert.deepEqual(
    frames.map(({ type, payload }) => [type, textOf(payload)]),
    [
      [FRAME.STDOUT, 'one'],
      [FRAME.STDERR, 'two'],
    ],
  );
});

test('a hostile length or type is refused before anything is kept', () => {
  const tooLong = Buffer.from([FRAME.STDOUT, 0xff, 0xff, 0xff, 0xff]);
  assert.throws(() => new FrameReader().push(tooLong), { code: 'AGENT_PROTOCOL' });
  const start = Buffer.from([FRAME.START, 0, 1, 0, 1]);
  assert.throws(() => new FrameReader().push(start), { code: 'AGENT_PROTOCOL' });
  assert.deepEqual(new FrameReader('host').push(start), []);
  assert.throws(() => new FrameReader().push(Buffer.from([0x7f, 0, 0, 0, 0])), { code: 'AGENT_PROTOCOL' });
  assert.throws(() => encodeFrame(FRAME.STDIN, Buffer.alloc(MAX_FRAME_PAYLOAD_BYTES + 1)), { code: 'AGENT_PROTOCOL' });
});

test('a large chunk becomes frames within the bound', () => {
  const chunk = Buffer.alloc(MAX_FRAME_PAYLOAD_BYTES * 2 + 1, 7);
  const frames = new FrameReader().push(Buffer.concat([...encodeChunks(FRAME.STDIN, chunk)]));
  assert.deepEqual(
    frames.map(({ payload }) => payload.length),
    [MAX_FRAME_PAYLOAD_BYTES, MAX_FRAME_PAYLOAD_BYTES, 1],
  );
});
