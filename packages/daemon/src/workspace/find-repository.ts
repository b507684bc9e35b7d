/** Where a repository keeps its things. Works for worktrees, bare repositories and folders inside of one. */
import { basename, dirname } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';
import type { Task } from '../platform/task.ts';
import { type Git, gitWords } from './git.ts';

export type Repository = {
  /** What the user calls it: the top of the work tree, or the folder of a bare repository */
  path: string;
  name: string;
  isBare: boolean;
  /** Of this work tree: its HEAD and its index */
  gitDir: string;
  /** Shared by all work trees: objects and branches */
  commonDir: string;
  objectFormat: string;
};

/** Throws REPO_INVALID. */
export async function findRepository(task: Task, git: Git, folder: string): Promise<Repository> {
  const [isBare, gitDir, commonDir, objectFormat] = (
    await ask(['--is-bare-repository', '--absolute-git-dir', '--git-common-dir', '--show-object-format'])
  ).split('\n') as [string, string, string, string];
  const path = isBare === 'true' ? gitDir : await ask(['--show-toplevel']);
  return {
    path,
    name: basename(path) === '.git' ? basename(dirname(path)) : basename(path).replace(/(?<=.)\.git$/, ''),
    isBare: isBare === 'true',
    gitDir,
    commonDir,
    objectFormat,
  };

  async function ask(what: string[]): Promise<string> {
    try {
      return await git.text(task, null, ['rev-parse', '--path-format=absolute', ...what], { cwd: folder });
    } catch (cause) {
      if (gitWords(cause) === null) throw cause;
      throw new BangerError('REPO_INVALID', {
        message: `${folder} is not inside a git repository with a work tree (git: ${gitWords(cause)}).`,
        hint: 'Name a folder of a repository, or make one with "git init"; "banger vm cp" copies plain folders.',
        details: { path: folder },
        cause,
      });
    }
  }
}
