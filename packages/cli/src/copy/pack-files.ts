/** Files of the host to a tar stream for a guest. They belong to root in there. */
import { constants } from 'node:fs';
import { lstat, open, readdir, readlink, stat } from 'node:fs/promises';
import { BangerError } from '@banger/contract/errors.ts';
import { encodeTarHeader, type TarHeader, tarEnd, tarPadding } from './tar-format.ts';

export type CopyCount = { files: number; bytes: number; skipped: number };

type PackParts = {
  path: string;
  /** Name of the first entry; null packs what is in the folder, without the folder */
  name: string | null;
  count: CopyCount;
};

const CHUNK_BYTES = 256 * 1024;

export async function* packFiles({ path, name, count }: PackParts): AsyncGenerator<Buffer, void> {
  if (name !== null) yield* packOne(path, name, count, true);
  else for (const child of await childrenOf(path)) yield* packOne(`${path}/${child}`, child, count, false);
  yield tarEnd();
}

async function* packOne(path: string, name: string, count: CopyCount, followsLink: boolean): AsyncGenerator<Buffer> {
  const found = await explained(path, followsLink ? stat(path) : lstat(path));
  const header: TarHeader = {
    name,
    type: 'file',
    mode: found.mode & 0o777,
    sizeBytes: 0,
    mtimeSeconds: Math.floor(found.mtimeMs / 1000),
    target: '',
  };
  if (found.isDirectory()) {
    yield encodeTarHeader({ ...header, name: `${name}/`, type: 'directory' });
    for (const child of await childrenOf(path)) yield* packOne(`${path}/${child}`, `${name}/${child}`, count, false);
  } else if (found.isSymbolicLink()) {
    yield encodeTarHeader({ ...header, type: 'symlink', target: await explained(path, readlink(path)) });
    count.files++;
  } else if (found.isFile()) {
    yield* packContent(path, header);
    count.files++;
  } else {
    count.skipped++; // sockets, pipes and devices have no content to copy
  }

  async function* packContent(filePath: string, fileHeader: TarHeader): AsyncGenerator<Buffer> {
    const file = await explained(filePath, open(filePath, constants.O_RDONLY | constants.O_NONBLOCK));
    try {
      const sizeBytes = (await file.stat()).size;
      yield encodeTarHeader({ ...fileHeader, sizeBytes });
      for (let left = sizeBytes; left > 0; ) {
        const chunk = Buffer.allocUnsafe(Math.min(left, CHUNK_BYTES));
        const { bytesRead } = await explained(filePath, file.read(chunk, 0, chunk.length));
        if (bytesRead === 0) throw unreadable(filePath, 'it became shorter while it was read');
        left -= bytesRead;
        count.bytes += bytesRead;
        yield chunk.subarray(0, bytesRead);
      }
      yield tarPadding(sizeBytes);
    } finally {
      await file.close();
    }
  }
}

async function childrenOf(path: string): Promise<string[]> {
  return (await explained(path, readdir(path))).sort();
}

async function explained<Value>(path: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw unreadable(path, code === 'ENOENT' ? 'it does not exist' : `it cannot be read (${code})`, cause);
  }
}

function unreadable(path: string, why: string, cause?: unknown): BangerError {
  return new BangerError('FILE_NOT_FOUND', { message: `${path}: ${why}.`, details: { path }, cause });
}
