/** Files of the host's: whole or as they were, also after a power cut, and back to what they were when something fails. */
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { chmod, mkdir, open, rename, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Digest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { digestBytes, syncPath } from '../platform/files.ts';

export type Content = { bytes: Buffer; mode: number };

/** Null where nothing is. Throws INSTALL_REFUSED for what is no file: a link stands for what somebody else wants there. */
export function readPlaced(path: string): Content | null {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (fault) {
    const { code = '' } = fault as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw ['ELOOP', 'ENXIO', 'ENOTDIR'].includes(code) ? noFile(path) : fault;
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw noFile(path);
    return { bytes: readFileSync(file), mode: found.mode & 0o777 };
  } finally {
    closeSync(file);
  }
}

function noFile(path: string): BangerError {
  return new BangerError('INSTALL_REFUSED', {
    message: `${path} is a link, or no file at all, which banger did not make.`,
    hint: 'Move it away. A unit that is masked is such a link: "systemctl unmask" takes it away.',
  });
}

/** Null takes it away. Durable when it resolves. */
export async function placeFile(path: string, content: Content | null): Promise<void> {
  const partial = `${path}.banger-partial`;
  if (content === null) {
    for (const each of [path, partial]) await rm(each, { force: true });
    await syncPath(dirname(path)).catch(() => {}); // the folder may be gone too
    return;
  }
  await makeFolder(dirname(path));
  try {
    await rm(partial, { force: true }); // of an install that was cut off
    const file = await open(partial, 'wx', 0o600);
    try {
      await file.writeFile(content.bytes);
      await file.chmod(content.mode); // whatever the umask
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (fault) {
    await rm(partial, { force: true });
    throw fault;
  }
  await syncPath(dirname(path));
}

/**
 * One that everybody can look into, whatever the umask: `system status` needs no root. Not Node's own `recursive`, which says
 * ENOENT where the disk is read-only.
 */
async function makeFolder(path: string): Promise<void> {
  if (existsSync(path)) return;
  await makeFolder(dirname(path));
  await mkdir(path);
  await chmod(path, 0o755);
  await syncPath(dirname(path));
}

/** Of ours when nothing else is in it. */
export async function removeEmptyFolder(path: string): Promise<void> {
  await rmdir(path).catch(() => {}); // it is not empty, or not there
}

export function digestOf({ bytes }: Content): Digest {
  return digestBytes(bytes);
}
