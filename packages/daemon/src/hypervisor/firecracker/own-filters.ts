/**
 * Whether a Firecracker brings seccomp filters of its own. They are compiled in for musl only, and such a build is a static
 * program; one that asks for the host's loader was built for another libc, and has none.
 */
import { type FileHandle, open } from 'node:fs/promises';

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const MAX_PROGRAM_HEADERS = 64;
const INTERPRETER = 3;

/** Null for what is no program of this kind, such as a script around one. */
export async function bringsFilters(path: string): Promise<boolean | null> {
  try {
    await using file = await open(path, 'r');
    const header = await readBytes(file, 0, HEADER_BYTES);
    const count = header.readUInt16LE(56);
    const isElf = header.toString('latin1', 0, 4) === '\x7fELF';
    if (!isElf || header.readUInt16LE(54) !== PROGRAM_HEADER_BYTES || count > MAX_PROGRAM_HEADERS) return null;
    const table = await readBytes(file, Number(header.readBigUInt64LE(32)), count * PROGRAM_HEADER_BYTES);
    for (let at = 0; at < table.length; at += PROGRAM_HEADER_BYTES) {
      if (table.readUInt32LE(at) === INTERPRETER) return false;
    }
    return true;
  } catch {
    return null; // too short, or not to be read
  }
}

async function readBytes(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
  if (bytesRead < bytes) throw new Error('it ends too early');
  return buffer;
}
