/** A piece of a file on the host: a blob of a layout, or a file in an archive that is not unpacked. */
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { openRegularFile } from '../../platform/regular-file.ts';

export type Span = { path: string; at: number; bytes: number };

/** Makes the caller's error of what is wrong: a sentence without its full stop */
export type Refuse = (why: string, cause?: unknown) => Error;

const CHUNK_BYTES = 256 * 1024;

/** All of a file; what is no regular one is refused when it is opened. */
export async function spanOfFile(path: string): Promise<Span> {
  return { path, at: 0, bytes: (await stat(path)).size };
}

/** Throws FILE_NOT_FOUND, or what `refuse` makes of what is no regular file. */
export async function openSpan({ path, at, bytes }: Span, refuse: Refuse): Promise<Readable> {
  if (bytes === 0) return Readable.from([]);
  const file = await openRegularFile(path, refuse);
  return file.createReadStream({ start: at, end: at + bytes - 1, highWaterMark: CHUNK_BYTES });
}

/** All of it: for what is known to be small. */
export async function readSpan(span: Span, refuse: Refuse): Promise<Buffer> {
  return Buffer.concat(await (await openSpan(span, refuse)).toArray());
}
