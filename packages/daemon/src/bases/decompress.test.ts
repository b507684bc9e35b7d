import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Task } from '../platform/task.ts';
import { type Compression, decompress, isDamage, MAGIC_BYTES, recogniseCompression } from './decompress.ts';

const PLAIN = Buffer.alloc(3 * 2 ** 20, 'banger ');
const compress = (tool: string, ...args: string[]) =>
  execFileSync(tool, args, { input: PLAIN, maxBuffer: 2 * PLAIN.length });
const SAMPLES: [Compression, Buffer][] = [
  ['none', PLAIN],
  ['gzip', gzipSync(PLAIN)],
  ['zstd', zstdCompressSync(PLAIN)],
  ['xz', compress('xz', '-c')],
  ['lz4', compress('lz4', '-c')],
  ['lz4', compress('lz4', '-l', '-c')],
];

const tooLarge = () => new Error('too large');
const start = (bytes: Buffer, into: Writable, maxBytes = PLAIN.length, task = Task.background()) =>
  decompress(task, {
    compression: recogniseCompression(bytes),
    packed: Readable.from([bytes]),
    into,
    maxBytes,
    tooLarge,
  });

for (const [compression, bytes] of SAMPLES) {
  test(`${compression} is recognised and unpacked, up to a bound and no further`, async () => {
    assert.equal(recogniseCompression(bytes.subarray(0, MAGIC_BYTES)), compression);
    const into = new PassThrough();
    const [content] = await Promise.all([buffer(into), start(bytes, into)]);
    assert.ok(content.equals(PLAIN));

    await assert.rejects(start(bytes, sink(), PLAIN.length - 1), { message: 'too large' });
  });

  test(`${compression}: a reader that fails, or a caller that leaves, ends it`, { timeout: 30_000 }, async () => {
    const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no space')) });
    await assert.rejects(start(bytes, full), { message: 'no space' });

    const controller = new AbortController();
    const stuck = new Writable({ write: () => setImmediate(() => controller.abort()) });
    const cancelled = start(bytes, stuck, PLAIN.length, new Task(controller.signal, () => {}));
    await assert.rejects(cancelled, (fault: Error) =>
      /CANCELLED|ABORT_ERR/.test((fault as NodeJS.ErrnoException).code ?? ''),
    );
  });

  if (compression === 'none') continue;
  test(`${compression}: what was cut off is damage, and looks whole to no reader`, { timeout: 30_000 }, async () => {
    const into = new PassThrough();
    const unpacking = start(bytes.subarray(0, bytes.length - 20), into); // of xz these are not of the content
    const [unpacked, read] = await Promise.allSettled([unpacking, buffer(into)]);
    assert.ok(unpacked.status === 'rejected' && isDamage(unpacked.reason));
    assert.equal(read.status, 'rejected');
  });
}

function sink(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
