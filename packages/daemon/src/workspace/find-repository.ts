/** The repository of a folder. Works for worktrees, bare repositories and folders inside of one. */
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

/** Where git asks the owner's own repository: for its commits, branches and work trees. */
export function placeOf({ path, gitDir, commonDir, isBare }: Repository): GitPlace {
  return { gitDir, commonDir, ...(!isBare && { workTree: path }) };
}

function isSha256(config: readonly ConfigEntry[]): boolean {
  const found = config.findLast(({ scope, key }) => scope === 'local' && key === 'extensions.objectformat');
  return found?.value === 'sha256';
}
