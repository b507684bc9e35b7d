/** The one program out of what was fetched: an archive of the release, or the program by itself. */
import { createReadStream } from 'node:fs';
import { copyFile, open } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { readTar, type TarEntry } from '@banger/contract/tar/read-tar.ts';
import { decompress, isDamage, MAGIC_BYTES, recogniseCompression } from '../bases/decompress.ts';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';
import { releaseInvalid } from './release-invalid.ts';

/** A release has the program's debugging symbols beside it */
const MAX_UNPACKED_BYTES = 2 ** 30;
const MAX_PROGRAM_BYTES = 64 * 2 ** 20;
const ELF = '7f454c46';

type Unpacking = {
  packed: string;
  /** Its path in an archive */
  program: string;
  into: string;
};

/** Writes the program into a new file at `into`. Throws HYPERVISOR_INVALID, CANCELLED. */
export async function unpackProgram(task: Task, { packed, program, into }: Unpacking): Promise<void> {
  const start = await readStart(packed);
  if (start.toString('hex', 0, 4) === ELF) await copyFile(packed, into);
  else if (recogniseCompression(start) !== 'gzip') {
    throw releaseInvalid('The file is neither a program nor a .tgz of a release');
  } else if (!(await takeEntry(task, { packed, program, into }))) {
    throw releaseInvalid(`The release has no ${program} in it`);
  }
}

async function readStart(path: string): Promise<Buffer> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

/** Reads to the end, so that what was cut off or damaged behind the entry is told too. */
async function takeEntry(task: Task, { packed, program, into }: Unpacking): Promise<boolean> {
  const tar = new PassThrough();
  const source = createReadStream(packed);
  let isFound = false;
  try {
    await together(task, [
      (own) => decompress(own, { compression: 'gzip', packed: source, into: tar, ...UNPACKED_LIMIT }),
      async () => {
        for await (const entry of readTar(tar.iterator({ destroyOnReturn: false }))) {
          if (entry.name.replace(/^\.\//, '') !== program) continue;
          if (isFound) throw releaseInvalid(`The release has ${program} in it twice`);
          isFound = true;
          await writeProgram(entry, into);
        }
        tar.resume(); // what an archive is filled up with behind its end
      },
    ]);
    return isFound;
  } catch (fault) {
    task.check();
    const isOurs = fault instanceof BangerError && fault.code !== 'AGENT_PROTOCOL';
    if (isOurs || (!isDamage(fault) && !(fault instanceof BangerError))) throw fault;
    throw releaseInvalid('The release is damaged', fault);
  }
}

const UNPACKED_LIMIT = {
  maxBytes: MAX_UNPACKED_BYTES,
  tooLarge: () => releaseInvalid(`The release unpacks to more than ${formatSize(MAX_UNPACKED_BYTES)}`),
};

async function writeProgram({ type, name, sizeBytes, body }: TarEntry, into: string): Promise<void> {
  if (type !== 'file') throw releaseInvalid(`In the release ${name} is no file`);
  if (sizeBytes > MAX_PROGRAM_BYTES) throw releaseInvalid(`${name} is larger than ${formatSize(MAX_PROGRAM_BYTES)}`);
  await using file = await open(into, 'wx', 0o600);
  for await (const { at, bytes } of body()) await file.write(bytes, 0, bytes.length, at);
  await file.truncate(sizeBytes);
}
