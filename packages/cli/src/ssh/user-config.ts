/** The user's own ~/.ssh/config: banger's lines go in, and out again without a trace. Everything else stays as it is. */
import { chmod, lstat, mkdir, readFile, realpath, rm, rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';
import { checkTrustedPath, type FolderOwner } from '@banger/contract/own-folder.ts';
import { type Place, writeWhole } from '../write-whole.ts';
import { addBlock, type MadeFor, removeBlock } from './include-block.ts';

/** True when the file was changed; false when the lines were there already. Throws FOLDER_UNSAFE, FILE_NOT_FOUND. */
export async function installInclude(path: string, include: string, owner: FolderOwner): Promise<boolean> {
  checkTrustedPath(path, owner); // as OpenSSH asks of it; after su it may be somebody else's
  const madeFolder = await makeFolder(dirname(path));
  const file = await readConfig(path);
  const madeFor: MadeFor = madeFolder ? 'folder' : file === null ? 'file' : 'nothing';
  const before = file?.content ?? Buffer.alloc(0);
  const after = addBlock(before, include, madeFor);
  if (file !== null && after.equals(before)) return false;
  await writeWhole(file ?? { path, replaces: null }, after, { mode: 0o600 });
  return true;
}

/** False when it is there. */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    await chmod(path, 0o700); // whatever the umask
    return true;
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw fault;
  }
}

/** False when there was nothing to remove. Throws like the above. */
export async function uninstallInclude(path: string, owner: FolderOwner): Promise<boolean> {
  checkTrustedPath(path, owner);
  const file = await readConfig(path);
  const removed = file && removeBlock(file.content);
  if (!file || !removed) return false;
  if (removed.content.length > 0 || removed.madeFor === 'nothing') {
    await writeWhole(file, removed.content);
    return true;
  }
  await rm(file.path);
  if (removed.madeFor === 'folder') await rmdir(dirname(file.path)).catch(() => {}); // something else has moved in
  return true;
}

/** Through symbolic links, as those who keep their dotfiles elsewhere have them; null when there is none. */
async function readConfig(given: string): Promise<(Place & { content: Buffer }) | null> {
  if ((await lstat(given).catch(() => null)) === null) return null;
  try {
    const path = await realpath(given);
    const replaces = await stat(path);
    if (!replaces.isFile()) throw new Error('it is not a file');
    return { path, replaces, content: await readFile(path) };
  } catch (cause) {
    throw new BangerError('FILE_NOT_FOUND', {
      message: `${given} cannot be read: ${(cause as Error).message}.`,
      hint: 'Nothing was changed; when it is a link, see where it leads.',
      details: { path: given },
      cause,
    });
  }
}
