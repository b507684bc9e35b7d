/**
 * Whether a repository may be read: it is the user's own, and nothing in it leads to what lies elsewhere. A stranger's
 * archive or clone may hold any config and any link; the files of the owner's beside it must not travel by them.
 */
import type { Dirent } from 'node:fs';
import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';
import type { ConfigEntry } from './git-config.ts';
import type { RepositoryFolders } from './repository-folders.ts';

/** What banger reads of a git folder, or an export changes. Hooks and the like may be links. */
const USED = new Set(
  'HEAD commondir config config.worktree gitdir index info logs objects packed-refs refs reftable shallow'.split(' '),
);
const isUsed = (name: string) => USED.has(name) || name.startsWith('sharedindex.');

/** As git's safe.directory. Throws REPO_UNTRUSTED. */
export async function expectOwnFolders(
  { path, dotGit, gitDir, commonDir }: RepositoryFolders,
  uid: number,
  trusted: () => Promise<string[]>,
): Promise<void> {
  const all = [path, gitDir, commonDir, ...(dotGit === null ? [] : [dotGit])];
  const foreign = await findFirst(all, async (each) => (await lstat(each)).uid !== uid);
  if (foreign === null) return;
  for (const each of await trusted()) {
    if (each === '*' || (await realpath(each).catch(() => null)) === path) return;
  }
  throw untrusted(
    path,
    `${foreign} belongs to another user`,
    `If you trust who made it: git config --global --add safe.directory ${JSON.stringify(path)}`,
  );
}

/** Throws REPO_UNTRUSTED. */
export async function refuseWhatLeadsOut({ path, gitDir, commonDir }: RepositoryFolders): Promise<void> {
  for (const folder of new Set([gitDir, commonDir])) {
    const strange = await findStrange(folder, isUsed);
    if (strange === null) continue;
    throw untrusted(path, `${strange} is a link, or no file at all`, 'A clone of it ("git clone") has plain files.');
  }
  const alternates = join(commonDir, 'objects/info/alternates');
  const others = await readFile(alternates, 'utf8').catch(() => '');
  if (!/^[^#\n]/m.test(others)) return;
  throw untrusted(
    path,
    'it takes objects from another repository',
    `To have its own: git -C ${JSON.stringify(path)} repack -a -d && rm ${JSON.stringify(alternates)}`,
  );
}

/** Throws REPO_UNTRUSTED, and REPO_INVALID for the inside of a git folder. */
export async function refuseMovedWorkTree(
  { path, dotGit, gitDir, kind }: RepositoryFolders,
  config: readonly ConfigEntry[],
): Promise<void> {
  const own = config.filter(({ scope }) => scope === 'worktree' || (scope === 'local' && kind !== 'worktree'));
  const lastOf = (wanted: string) => own.findLast(({ key }) => key === wanted)?.value;
  const moved = lastOf('core.worktree');
  const workTree = moved === undefined ? null : resolve(gitDir, moved);
  const isBack = workTree !== null && dotGit !== null && (await realpath(workTree).catch(() => null)) === path;
  if (workTree !== null && !isBack) {
    throw untrusted(
      path,
      `its config moves its files to ${workTree}`,
      `To bring in what is in ${path}: git --git-dir=${JSON.stringify(gitDir)} config --unset core.worktree`,
    );
  }
  if (kind === 'elsewhere' && !isBack) {
    throw untrusted(
      path,
      `it says that it belongs to ${gitDir}, which knows nothing of it`,
      `If it does: git --git-dir=${JSON.stringify(gitDir)} config core.worktree ${JSON.stringify(path)}`,
    );
  }
  if (dotGit === null && /^(false|no|off|0)$/i.test(lastOf('core.bare') ?? '')) {
    throw new BangerError('REPO_INVALID', {
      message: `${path} is the git folder of a work tree, and not a bare repository.`,
      hint: 'Name the folder with the files.',
      details: { path },
    });
  }
}

/** The first file below that is neither a folder nor a regular file. */
async function findStrange(folder: string, isWanted: (name: string) => boolean): Promise<string | null> {
  const entries = (await listEntries(folder)).filter(({ name }) => isWanted(name));
  const strange = entries.find((entry) => !entry.isFile() && !entry.isDirectory());
  if (strange) return join(folder, strange.name);
  return findFirstOf(entries.filter(isFolder), ({ name }) => findStrange(join(folder, name), () => true));
}

async function listEntries(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    throw new BangerError('REPO_INVALID', {
      message: `${folder} cannot be read (${(cause as NodeJS.ErrnoException).code}).`,
      hint: 'The repository may be incomplete, or its files may not be yours.',
      details: { path: folder },
      cause,
    });
  }
}

function isFolder(entry: Dirent): boolean {
  return entry.isDirectory();
}

async function findFirstOf<Item>(items: Item[], look: (item: Item) => Promise<string | null>): Promise<string | null> {
  for (const found of await Promise.all(items.map(look))) if (found !== null) return found;
  return null;
}

async function findFirst(paths: string[], isWanted: (path: string) => Promise<boolean>): Promise<string | null> {
  return findFirstOf(paths, async (path) => ((await isWanted(path)) ? path : null));
}

function untrusted(path: string, why: string, hint: string): BangerError {
  return new BangerError('REPO_UNTRUSTED', {
    message: `The repository at ${path} is not read: ${why}.`,
    hint,
    details: { path },
  });
}
