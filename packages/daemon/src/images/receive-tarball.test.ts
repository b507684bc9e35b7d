import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Task } from '../platform/task.ts';
import { receiveTarball } from './receive-tarball.ts';

const PLAIN = Buffer.alloc(200_000, 'a tar, as far as this goes ');
const limits = { sentBytes: 1_000_000, silentMs: 600_000 };
/** Of an import that other work ends with, as `together` does */
const endsWith = (controller: AbortController) => new Task(controller.signal, () => {});

for (const [how, bytes] of [
  ['plain', PLAIN],
  ['gzip', gzipSync(PLAIN)],
  ['zstd', zstdCompressSync(PLAIN)],
  ['xz', execFileSync('xz', ['-c'], { input: PLAIN })],
] as const) {
  test(`${how}: what is sent in small pieces comes out whole`, async () => {
    const into = new PassThrough();
    const pieces = Array.from({ length: 8 }, (_, at) => bytes.subarray(at, at + 1)).concat([bytes.subarray(8)]);
    const got = buffer(into);
    await receiveTarball(Task.background(), Readable.from(pieces, { objectMode: false }), into, limits);
    assert.ok((await got).equals(PLAIN));
  });
}

test('nothing at all is told as that', async () => {
  const receiving = receiveTarball(Task.background(), Readable.from([]), sink(), limits);
  await assert.rejects(receiving, { code: 'IMAGE_INVALID', message: /^Nothing was sent/ });
});

test('a sender that falls silent is not waited for', async () => {
  for (const begun of ['', PLAIN.subarray(0, 3), PLAIN, gzipSync(PLAIN).subarray(0, 100)]) {
    const sent = new PassThrough();
    sent.write(begun);
    const receiving = receiveTarball(Task.background(), sent, sink(), { ...limits, silentMs: 20 });
    await assert.rejects(receiving, { code: 'TIMED_OUT' });
    assert.ok(sent.destroyed);
  }
});

test('the time in which nobody wants more is no silence', async () => {
  const sent = Readable.from(
    Array.from({ length: 4 }, () => PLAIN),
    { objectMode: false },
  );
  const slow = new Writable({ write: (_chunk, _encoding, done) => void setTimeout(done, 60), highWaterMark: 1 });
  await receiveTarball(Task.background(), sent, slow, { ...limits, silentMs: 40 });
});

test('what unpacks to nothing has a bound too', async () => {
  const empty = gzipSync('');
  async function* endless() {
    for (;;) yield Buffer.concat(Array.from({ length: 1000 }, () => empty));
  }
  await assert.rejects(receiveTarball(Task.background(), Readable.from(endless()), sink(), limits), {
    code: 'IMAGE_INVALID',
    message: /^More than .* was sent/,
  });
});

test('damage, and a reader that refuses, are told while the sender still has the line open', async () => {
  const damaged = Buffer.concat([gzipSync('').subarray(0, 2), Buffer.alloc(2000)]);
  const sent = new PassThrough();
  sent.write(damaged);
  await assert.rejects(receiveTarball(Task.background(), sent, sink(), limits), {
    code: 'IMAGE_INVALID',
    message: /^What was sent is damaged or was cut off/,
  });
  assert.ok(sent.destroyed);

  const other = new PassThrough();
  other.write(PLAIN);
  const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no space')) });
  await assert.rejects(receiveTarball(Task.background(), other, full, limits), { message: 'no space' });
  assert.ok(other.destroyed);
});

test('it ends with its task, before the first piece and between two', async () => {
  for (const begun of ['', PLAIN]) {
    const controller = new AbortController();
    const sent = new PassThrough();
    sent.write(begun);
    const receiving = receiveTarball(endsWith(controller), sent, sink(), limits);
    setImmediate(() => controller.abort());
    await assert.rejects(receiving, { name: 'AbortError' });
    if (!sent.closed) await once(sent, 'close');
  }
});

function sink(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
