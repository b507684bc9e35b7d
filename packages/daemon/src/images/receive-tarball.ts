/** A tarball that a caller sends, whatever it is compressed with, as a stream of plain tar. */
import { addAbortSignal, type Readable, type Writable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { MAGIC_BYTES, recogniseCompression } from '../bases/decompress.ts';
import { countDown } from '../platform/deadline.ts';
import type { Task } from '../platform/task.ts';
import { putBack } from './put-back.ts';
import { invalid, MAX_TAR_BYTES, unpackTar } from './unpack-tar.ts';

const LIMITS = {
  /** As it is sent: what unpacks to nothing at all would have no end */
  sentBytes: MAX_TAR_BYTES,
  /** Between two pieces that somebody waits for; what sends it may have to make it first */
  silentMs: 600_000,
};

const HINT = 'Send it once more; what was to send it may have said why it ended.';

/** Writes it into `into` and ends that. Throws IMAGE_INVALID, TIMED_OUT, TOOL_MISSING or CANCELLED. */
export async function receiveTarball(task: Task, sent: Readable, into: Writable, limits = LIMITS): Promise<void> {
  const pieces = receive(task, addAbortSignal(task.signal, sent), limits);
  const start = await readStart(pieces);
  if (start.length === 0) throw invalid('Nothing was sent, rather than a tar', HINT);
  // A piece that is waited for ends with what was sent.
  const packed = putBack({ start: [start], rest: pieces, letGo: () => sent.destroy() });
  await unpackTar(task, { what: 'What was sent', hint: HINT, compression: recogniseCompression(start), packed }, into);
}

type Pieces = AsyncGenerator<Buffer, void>;

async function* receive(task: Task, sent: Readable, { sentBytes, silentMs }: typeof LIMITS): Pieces {
  const pieces: AsyncIterator<Buffer, void> = sent[Symbol.asyncIterator]();
  for (let gotBytes = 0; ; ) {
    const silence = countDown(silentMs, () => sent.destroy(nothingMore(silentMs)));
    const { done, value } = await pieces.next().finally(silence.stop);
    if (done) return;
    gotBytes += value.length;
    if (gotBytes > sentBytes) throw invalid(`More than ${formatSize(sentBytes)} was sent`);
    task.progress(gotBytes, null, 'bytes');
    yield value;
  }
}

/** Shorter than a magic number only where there is no more. */
async function readStart(pieces: Pieces): Promise<Buffer> {
  let start: Buffer = Buffer.alloc(0);
  while (start.length < MAGIC_BYTES) {
    const { done, value } = await pieces.next();
    if (done) break;
    start = Buffer.concat([start, value]);
  }
  return start;
}

function nothingMore(silentMs: number): BangerError {
  return new BangerError('TIMED_OUT', {
    message: `Nothing more of the tar came for ${silentMs / 60_000} minutes.`,
    hint: 'What was to send it may be stuck, or wait for a password.',
  });
}
