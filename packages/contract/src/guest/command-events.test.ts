import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandEvent, readCommandEvents } from './command-events.ts';
import { encodeFrame, FRAME } from './frames.ts';

test('a command is told from its start to its exit, however its bytes are cut', async () => {
  const bytes = new Uint8Array(
    Buffer.concat([
      encodeFrame(FRAME.STARTED, '{"id":"s1","pid":7,"droppedBytes":0}'),
      encodeFrame(FRAME.STDOUT, 'out'),
      encodeFrame(FRAME.STDERR, 'err'),
      encodeFrame(FRAME.EXIT, '{"code":3}'),
    ]),
  );
  const expected: CommandEvent[] = [
    { is: 'started', started: { id: 's1', pid: 7, droppedBytes: 0 } },
    { is: 'stdout', bytes: new Uint8Array(Buffer.from('out')) },
    { is: 'stderr', bytes: new Uint8Array(Buffer.from('err')) },
    { is: 'exit', exit: { code: 3 } },
  ];
  assert.deepEqual(await read([bytes]), expected);
  assert.deepEqual(await read([...bytes].map((byte) => Uint8Array.of(byte))), expected);
});

test('a refusal is told with its code', async () => {
  const failed = encodeFrame(FRAME.FAILED, '{"code":"NOT_FOUND","message":"none"}');
  assert.deepEqual(await read([failed]), [{ is: 'failed', failure: { code: 'NOT_FOUND', message: 'none' } }]);
});

for (const [what, bytes] of [
  ['a frame that goes the other way', encodeFrame(FRAME.STDIN, 'x')],
  ['an exit that is no JSON', encodeFrame(FRAME.EXIT, '{')],
  ['an exit code out of bounds', encodeFrame(FRAME.EXIT, '{"code":256}')],
] as const) {
  test(`a guest that sends ${what} does not keep to the protocol`, async () => {
    await assert.rejects(read([bytes]), { code: 'AGENT_PROTOCOL' });
  });
}

async function read(chunks: Uint8Array[]): Promise<CommandEvent[]> {
  const events: CommandEvent[] = [];
  for await (const event of readCommandEvents(streamOf(chunks))) events.push(event);
  return events;
}

async function* streamOf(chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
