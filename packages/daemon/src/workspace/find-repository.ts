/** The repository of a folder. Works for worktrees, bare repositories and folders inside of one. */
import { BangerError } from '@banger/contract/errors.ts';
import type { Task } from '../platform/task.ts';
import type { Git, GitPlace } from './git.ts';
import { type ConfigEntry, type FileSettings, fileSettings } from './git-config.ts';
import { findFolders, nameOfRepository, type RepositoryFolders } from './repository-folders.ts';
import { expectOwnFolders, refuseMovedWorkTree, refuseWhatLeadsOut } from './trust-repository.ts';

export type Repository = Pick<RepositoryFolders, 'path' | 'gitDir' | 'commonDir' | 'subfolder'> & {
  name: string;
  isBare: boolean;
  objectFormat: string;
  /** How its owner's git compares files */
  settings: FileSettings;
};

/** Throws REPO_INVALID or REPO_UNTRUSTED. */
export async function findRepository(task: Task, git: Git, named: string): Promise<Repository> {
  const folders = await findFolders(named);
  const { path, dotGit, gitDir, commonDir, subfolder } = folders;
  await expectOwnFolders(folders, git.owner.uid, () => git.trustedFolders(task));
  await refuseWhatLeadsOut(folders);
  const config = await git.readConfig(task, folders);
  await refuseMovedWorkTree(folders, config);
  return {
    path,
    gitDir,
    commonDir,
    subfolder,
    name: nameOfRepository(folders),
    isBare: dotGit === null,
    objectFormat: isSha256(config) ? 'sha256' : 'sha1',
    settings: fileSettings(config, path, git.owner),
  };
}

/** That of a workspace, where it was or where it is said to be now. Throws also REPO_INVALID when it was moved. */
export async function findRepositoryOf(
  task: Task,
  git: Git,
  { repoPath }: { repoPath: string },
  movedTo: string | undefined,
): Promise<Repository> {
  try {
    return await findRepository(task, git, movedTo ?? repoPath);
  } catch (cause) {
    if (movedTo !== undefined || !(cause instanceof BangerError) || cause.code !== 'REPO_INVALID') throw cause;
    throw new BangerError('REPO_INVALID', {
      message: `The repository was at ${repoPath} when it was brought in: ${cause.message}`,
      hint: 'If it was moved, --repo says where it is now.',
      details: { path: repoPath },
      cause,
    });
  }
}

/** Where git asks the owner's own repository: for its commits, branches and work trees. */
export function placeOf({ path, gitDir, commonDir, isBare }: Repository): GitPlace {
  return { gitDir, commonDir, ...(!isBare && { workTree: path }) };
}

function isSha256(config: readonly ConfigEntry[]): boolean {
  const found = config.findLast(({ scope, key }) => scope === 'local' && key === 'extensions.objectformat');
  return found?.value === 'sha256';
}
