/**
 * Which folders a repository consists of. banger decides that, and no config does: a folder has a `.git` of its own, or
 * one elsewhere that points back at it, or is a bare repository and was named itself.
 */
import { lstat, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';

export type RepositoryFolders = {
  /** The top of the work tree, or the folder of a bare repository */
  path: string;
  /** Null for a bare one */
  dotGit: string | null;
  /** Of this work tree: its HEAD and its index */
  gitDir: string;
  /** Shared by all work trees: objects and branches */
  commonDir: string;
  /** Where the folder that was named lies below the top; empty for the top itself */
  subfolder: string;
  /** `below`: nothing has to vouch for it. `worktree`: the main repository does. `elsewhere`: only its config could. */
  kind: 'below' | 'worktree' | 'elsewhere';
};

/** Every file that is read here has one line. */
const MAX_LINE_BYTES = 8192;

/** Throws REPO_INVALID. Links in the name of the folder are followed: the user wrote it. */
export async function findFolders(named: string): Promise<RepositoryFolders> {
  const folder = await realFolder(named);
  const { dev } = await stat(folder);
  for (let path = folder; ; path = dirname(path)) {
    if ((await stat(path)).dev !== dev) throw noRepository(named);
    const found = await foldersAt(path);
    if (found !== null) {
      if (folder === found.gitDir || folder.startsWith(`${found.gitDir}/`)) throw noRepository(named);
      return { ...found, path, subfolder: folder.slice(path.length + 1) };
    }
    if (path === folder && (await isGitFolder(folder))) return bareFolders(folder);
    if (path === '/') throw noRepository(named);
  }
}

async function realFolder(named: string): Promise<string> {
  try {
    const folder = await realpath(named);
    if ((await stat(folder)).isDirectory()) return folder;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES') throw cause;
    const why = code === 'EACCES' ? 'cannot be entered' : 'does not exist';
    throw invalid(named, why, 'Name the folder of a repository.', cause);
  }
  throw invalid(named, 'is not a folder', 'Name the folder of a repository; "banger vm cp" copies single files.');
}

function bareFolders(folder: string): RepositoryFolders {
  return { path: folder, dotGit: null, gitDir: folder, commonDir: folder, subfolder: '', kind: 'below' };
}

type Found = Omit<RepositoryFolders, 'path' | 'subfolder'>;

/** Null when there is no repository in this very folder. */
async function foldersAt(path: string): Promise<Found | null> {
  const dotGit = join(path, '.git');
  const found = await lstat(dotGit).catch(() => null);
  if (found === null) return null;
  if (found.isDirectory()) return (await isGitFolder(dotGit)) ? followCommon(path, dotGit, dotGit) : null;
  const target = found.isSymbolicLink() ? dotGit : await readGitFile(path, dotGit, found.isFile());
  const gitDir = await realpath(target).catch(() => null);
  if (gitDir !== null && (await isGitFolder(gitDir))) return followCommon(path, dotGit, gitDir);
  throw invalid(path, `has a .git that points at ${target}, where no repository is`, 'See "git worktree repair".');
}

async function readGitFile(path: string, dotGit: string, isFile: boolean): Promise<string> {
  const line = isFile ? await readLine(dotGit) : null;
  const target = line?.startsWith('gitdir: ') ? line.slice('gitdir: '.length) : null;
  if (target) return resolve(path, target);
  throw invalid(path, 'has a .git that is not git’s', 'Name the folder of a repository.');
}

/** The git folder of a linked work tree names that of the main one, which has to name the work tree in turn. */
async function followCommon(path: string, dotGit: string, gitDir: string): Promise<Found> {
  const common = await readLine(join(gitDir, 'commondir'));
  if (common === null) {
    const isBelow = gitDir.startsWith(`${path}/`);
    return { dotGit, gitDir, commonDir: gitDir, kind: isBelow ? 'below' : 'elsewhere' };
  }
  const commonDir = await realpath(resolve(gitDir, common)).catch(() => null);
  const back = await readLine(join(gitDir, 'gitdir'));
  const backTo = back === null ? null : await realpath(resolve(gitDir, back)).catch(() => null);
  const isWorktree = commonDir !== null && dirname(gitDir) === join(commonDir, 'worktrees') && backTo === dotGit;
  if (isWorktree) return { dotGit, gitDir, commonDir, kind: 'worktree' };
  throw new BangerError('REPO_UNTRUSTED', {
    message: `${path} says that it belongs to the repository at ${commonDir ?? common}, which knows nothing of it.`,
    hint: 'If it is a worktree of yours that was moved, "git worktree repair" in the main repository mends it.',
    details: { path },
  });
}

async function isGitFolder(path: string): Promise<boolean> {
  const head = await lstat(join(path, 'HEAD')).catch(() => null);
  if (head === null) return false;
  if (await lstat(join(path, 'commondir')).catch(() => null)) return true;
  const parts = await Promise.all(['objects', 'refs'].map((name) => stat(join(path, name)).catch(() => null)));
  return parts.every((part) => part?.isDirectory());
}

/** Null when there is no such file, or when it is no plain short one. */
async function readLine(path: string): Promise<string | null> {
  const found = await lstat(path).catch(() => null);
  if (!found?.isFile() || found.size > MAX_LINE_BYTES) return null;
  return (await readFile(path, 'utf8')).replace(/[\r\n]+$/, '');
}

/** For people, and for the folder in the guest. */
export function nameOfRepository({ path }: { path: string }): string {
  return basename(path) === '.git' ? basename(dirname(path)) : basename(path).replace(/(?<=.)\.git$/, '');
}

function noRepository(named: string): BangerError {
  return invalid(
    named,
    'is not inside a git repository with a work tree',
    'Name a folder of a repository, or make one with "git init"; "banger vm cp" copies plain folders.',
  );
}

function invalid(path: string, why: string, hint: string, cause?: unknown): BangerError {
  return new BangerError('REPO_INVALID', { message: `${path} ${why}.`, hint, details: { path }, cause });
}
