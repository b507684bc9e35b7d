/** A text file as a stream: all of it or its last lines, and what is added while the reader stays. */
import { existsSync, watch } from 'node:fs';
import { open } from 'node:fs/promises';

const CHUNK_BYTES = 64 * 1024;

type FollowOptions = { tail?: number | undefined; follow: boolean };

/** Empty when the file does not exist. */
export async function followFile(path: string, { tail, follow }: FollowOptions): Promise<ReadableStream<Uint8Array>> {
  const changes = follow && existsSync(path) ? watchFile(path) : null;
  const chunks = chunksOf(path, tail, changes);
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => changes?.close(), // the generator waits for a change, and can only end itself
  });
}

async function* chunksOf(path: string, tail: number | undefined, changes: Changes | null): AsyncGenerator<Uint8Array> {
  const handle = await open(path, 'r').catch((fault) => {
    if (fault.code === 'ENOENT') return null;
    throw fault;
  });
  if (!handle) return;
  await using file = handle;
  try {
    let at = tail === undefined ? 0 : await startOfTail(file, tail);
    for (;;) {
      const changed = changes?.next();
      for (let chunk = await read(file, at); chunk.length > 0; chunk = await read(file, at)) {
        yield chunk;
        at += chunk.length;
      }
      if (!changed || !(await changed)) return;
      const { size } = await file.stat();
      if (size < at) at = 0; // it was cut, since it is bounded
    }
  } finally {
    changes?.close();
  }
}

type OpenFile = Awaited<ReturnType<typeof open>>;

async function read(file: OpenFile, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
  return buffer.subarray(0, bytesRead);
}

async function startOfTail(file: OpenFile, lines: number): Promise<number> {
  const { size } = await file.stat();
  let newlines = 0;
  for (let end = size; end > 0; end -= CHUNK_BYTES) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const chunk = (await read(file, start)).subarray(0, end - start);
    for (let at = chunk.length - 1; at >= 0; at--) {
      // The newline that ends the last line does not begin another.
      if (chunk[at] === 0x0a && start + at !== size - 1 && ++newlines === lines) return start + at + 1;
    }
  }
  return lines === 0 ? size : 0;
}

type Changes = ReturnType<typeof watchFile>;

/** `next()` resolves with true at the first change after it was called, with false at `close()`. */
function watchFile(path: string) {
  let changed = Promise.withResolvers<boolean>();
  const watcher = watch(path, () => {
    changed.resolve(true);
    changed = Promise.withResolvers<boolean>();
  });
  return {
    next: () => changed.promise,
    close: () => {
      watcher.close();
      changed.resolve(false);
    },
  };
}
