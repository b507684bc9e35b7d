/** The user's own ~/.ssh/config: banger's lines go in, and out again without a trace. Everything else stays as it is. */
import { lstat, mkdir, open, readFile, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';
import { checkTrustedPath, type FolderOwner } from '@banger/contract/own-folder.ts';
import { addBlock, type MadeFor, removeBlock } from './include-block.ts';

/** True when the file was changed; false when the lines were there already. Throws FOLDER_UNSAFE, FILE_NOT_FOUND. */
export async function installInclude(path: string, include: string, owner: FolderOwner): Promise<boolean> {
  checkTrustedPath(path, owner); // as OpenSSH asks of it; after su it may be somebody else's
  const madeFolder = (await mkdir(dirname(path), { recursive: true, mode: 0o700 })) !== undefined;
  const file = await readConfig(path);
  const madeFor: MadeFor = madeFolder ? 'folder' : file === null ? 'file' : 'nothing';
  const before = file?.content ?? Buffer.alloc(0);
  const after = addBlock(before, include, madeFor);
  if (file !== null && after.equals(before)) return false;
  await replace(file ?? { path, mode: 0o600, owner: null }, after);
  return true;
}

/** False when there was nothing to remove. Throws like the above. */
export async function uninstallInclude(path: string, owner: FolderOwner): Promise<boolean> {
  checkTrustedPath(path, owner);
  const file = await readConfig(path);
  const removed = file && removeBlock(file.content);
  if (!file || !removed) return false;
  if (removed.content.length > 0 || removed.madeFor === 'nothing') {
    await replace(file, removed.content);
    return true;
  }
  await rm(file.path);
  if (removed.madeFor === 'folder') await rmdir(dirname(file.path)).catch(() => {}); // something else has moved in
  return true;
}

type ConfigFile = { path: string; mode: number; owner: { uid: number; gid: number } | null };

/** Through symbolic links, as those who keep their dotfiles elsewhere have them; null when there is none. */
async function readConfig(given: string): Promise<(ConfigFile & { content: Buffer }) | null> {
  if ((await lstat(given).catch(() => null)) === null) return null;
  try {
    const path = await realpath(given);
    const found = await stat(path);
    if (!found.isFile()) throw new Error('it is not a file');
    const { mode, uid, gid } = found;
    return { path, mode: mode & 0o7777, owner: { uid, gid }, content: await readFile(path) };
  } catch (cause) {
    throw new BangerError('FILE_NOT_FOUND', {
      message: `${given} cannot be read: ${(cause as Error).message}.`,
      hint: 'Nothing was changed; when it is a link, see where it leads.',
      details: { path: given },
      cause,
    });
  }
}

/** At once: whoever reads it meanwhile finds the old file or the new one. */
async function replace({ path, mode, owner }: ConfigFile, content: Buffer): Promise<void> {
  const fresh = `${path}.banger-new`;
  try {
    await rm(fresh, { force: true }); // of one that was cut off
    await using file = await open(fresh, 'wx', 0o600);
    await file.writeFile(content);
    if (owner !== null) await file.chown(owner.uid, owner.gid);
    await file.chmod(mode);
    await file.sync();
    await rename(fresh, path);
  } catch (fault) {
    await rm(fresh, { force: true });
    throw fault;
  }
}
