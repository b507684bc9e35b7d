import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { Task } from '../platform/task.ts';
import { AnswerFinder, greetAgent } from './handshake.ts';

const INFO = { protocol: 1, version: '0.1.0', bootId: 'b', init: 'agent', kernel: '6.1' };
const ready = (nonce: string, info: object = INFO) => `BANGER-READY ${nonce} ${JSON.stringify(info)}\n`;
const task = Task.background();

test('the answer is found behind garbage and in pieces of any size', () => {
  const bytes = Buffer.from(
    `\0\xffPRI * half a frame BANGER-READY ${'0'.repeat(32)} {}\nBANGER-REA${ready('n1')}`,
    'latin1',
  );
  for (const pieceBytes of [1, 7, 64, bytes.length]) {
    const finder = new AnswerFinder();
    finder.expect('n1');
    let found = null;
    for (let at = 0; at < bytes.length; at += pieceBytes) found ??= finder.push(bytes.subarray(at, at + pieceBytes));
    assert.deepEqual(found, INFO, `in pieces of ${pieceBytes}`);
  }
});

test('only the answer to the newest hello counts', () => {
  const finder = new AnswerFinder();
  finder.expect('old');
  finder.expect('new');
  assert.equal(finder.push(Buffer.from(ready('old'))), null);
  assert.deepEqual(finder.push(Buffer.from(ready('new'))), INFO);
});

test('a failed boot is told in the words of the agent, without what a terminal would obey', () => {
  const finder = new AnswerFinder();
  finder.expect('n');
  const failure = JSON.stringify({ code: 'DISK_UNREADABLE', message: 'no \u001b[2J\u0007superblock\non vdb' });
  assert.throws(() => finder.push(Buffer.from(`BANGER-FAIL n ${failure}\n`)), {
    code: 'VM_BOOT_FAILED',
    message: 'The guest could not finish its boot: no superblock on vdb.',
    details: { guestCode: 'DISK_UNREADABLE' },
  });
});

test('an answer that is malformed, too long or of another protocol is refused', () => {
  const answers = [
    ready('n', { protocol: 1 }),
    ready('n', { ...INFO, protocol: 2 }),
    'BANGER-READY n {"protocol":\n',
    `BANGER-READY n ${'x'.repeat(5000)}`,
  ];
  for (const answer of answers) {
    const finder = new AnswerFinder();
    finder.expect('n');
    assert.throws(() => finder.push(Buffer.from(answer)), { code: 'AGENT_PROTOCOL' });
  }
});

test('a guest that floods the stream is given up after 16 MiB', () => {
  const finder = new AnswerFinder();
  finder.expect('n');
  const garbage = Buffer.alloc(1024 * 1024, 'BANGER-READY ');
  let pushed = 0;
  assert.throws(
    () => {
      for (; pushed < 100; pushed += 1) finder.push(garbage);
    },
    { code: 'AGENT_PROTOCOL' },
  );
  assert.equal(pushed, 16);
});

test('hello is said again, padded and with a new nonce, until it is answered', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { stream, written } = fakeStream();
  const greeting = greetAgent(task, stream, () => 1234);
  t.mock.timers.tick(1000);
  const hellos = [...written().matchAll(/(\n*)BANGER-HELLO ([0-9a-f]{32}) 1234\n/g)];
  assert.deepEqual(
    hellos.map(([, padding]) => padding?.length),
    [0, 17_000],
  );
  const [first, second] = hellos.map(([, , nonce]) => nonce as string);
  assert.notEqual(first, second);
  stream.push(`${ready(first as string)}${ready(second as string)}`);
  assert.deepEqual(await greeting, INFO);
});

test('a guest that never answers is waited for only as long as the task allows', async () => {
  const { stream } = fakeStream();
  const waiting = greetAgent(task.withSignal(AbortSignal.timeout(20)), stream);
  await assert.rejects(waiting, { code: 'TIMED_OUT' });
  assert.equal(stream.destroyed, true);
});

test('a stream that ends before hello is a failed boot', async () => {
  const { stream } = fakeStream();
  const waiting = greetAgent(task, stream);
  stream.push(null);
  await assert.rejects(waiting, { code: 'VM_BOOT_FAILED' });
});

function fakeStream() {
  const chunks: Buffer[] = [];
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, written: () => Buffer.concat(chunks).toString('latin1') };
}
