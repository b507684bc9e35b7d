/** A guest's changes become a branch of the owner's repository. Its files, index and HEAD are not touched. */
import { chmod, copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkspaceExport, workspaceExportSchema } from '@banger/contract/api/workspaces.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { z } from 'zod';
import { moveDurably } from '../platform/files.ts';
import type { Task } from '../platform/task.ts';
import type { WorkspaceRecord } from '../store/records/workspaces.ts';
import { findRepositoryOf, placeOf, type Repository } from './find-repository.ts';
import { type Git, type GitPlace, gitWords } from './git.ts';
import { newCommits, receiveChanges } from './receive-changes.ts';
import { explained } from './receive-pack.ts';
import { restoreParents } from './restore-parents.ts';
import { splitNames } from './tree-entries.ts';
import type { WorkspaceParts, WorkspaceVm } from './workspace-parts.ts';

type Request = z.output<typeof workspaceExportSchema>;

/** Throws BRANCH_EXISTS, BAD_NAME, and what receiving throws; the repository is as it was then. */
export async function exportBranch(
  task: Task,
  parts: WorkspaceParts,
  vm: WorkspaceVm,
  record: WorkspaceRecord,
  { branch, force, repo }: Request,
): Promise<WorkspaceExport> {
  const { git } = parts;
  const repository = await findRepositoryOf(task, git, record, repo);
  const before = await checkBranch(task, git, repository, branch, force);

  await using received = await receiveChanges(task, parts, vm, record, 'export', repo);
  const { head, tree, quarantine } = received;
  const isUnchanged = head === record.baseCommit && tree === record.tree;
  const nothing = { branch, commit: null, commits: 0, files: 0, repo: repository.path };
  if (received.commit === null || isUnchanged) return nothing;
  const { baseCommit } = record;
  const commit =
    baseCommit === null ? received.commit : await restoreParents(task, git, quarantine, baseCommit, received.commit);

  const commits = await newCommits(task, git, quarantine, baseCommit, commit);
  const files = splitNames(
    await git.run(task, quarantine, ['diff-tree', '-r', '-z', '--name-only', record.tree, tree], { isHostile: true }),
  );
  task.step(`make the branch ${branch}`);
  await moveObjects(task, git, quarantine, repository, baseCommit, commit);
  await moveBranch(task, git, repository, { branch, commit, before, reason: `banger: export from the vm ${vm.name}` });
  return { branch, commit, commits: commits.length, files: files.length, repo: repository.path };
}

/** Gives where the branch is now; null when there is none. */
async function checkBranch(task: Task, git: Git, repository: Repository, branch: string, isForced: boolean) {
  const place = placeOf(repository);
  const ref = `refs/heads/${branch}`;
  try {
    await git.run(task, null, ['check-ref-format', ref]);
  } catch (cause) {
    throw new BangerError('BAD_NAME', { message: `"${branch}" is not a name for a branch.`, cause });
  }
  const trees = await git.text(task, place, ['worktree', 'list', '--porcelain']);
  const isCheckedOut = trees.split('\n').includes(`branch ${ref}`);
  const found = await git.text(task, place, ['rev-parse', '--verify', '--quiet', ref], { acceptCodes: [1] });
  if (isCheckedOut) throw branchExists(branch, 'is checked out', 'Name another branch.');
  if (found !== '' && !isForced) {
    throw branchExists(branch, 'is there already', 'Name another one, or move it to the new commits with --force.');
  }
  return found || null;
}

/** Only what the branch needs is packed, in the quarantine; git itself writes nothing into the owner's objects. */
async function moveObjects(
  task: Task,
  git: Git,
  quarantine: GitPlace,
  repository: Repository,
  base: string | null,
  commit: string,
): Promise<void> {
  const folder = join(quarantine.gitDir, 'export');
  await mkdir(folder);
  const stdin = base === null ? `${commit}\n` : `${commit}\n^${base}\n`;
  const args = ['pack-objects', '--revs', '--quiet', '--delta-base-offset', join(folder, 'pack')];
  const hash = await explained(() => git.text(task, quarantine, args, { stdin, isHostile: true }));
  const packs = join(repository.commonDir, 'objects/pack');
  await mkdir(packs, { recursive: true });
  // The index comes last: a pack without one is nothing to git
  for (const extension of ['pack', 'idx']) {
    const name = `pack-${hash}.${extension}`;
    const partial = join(packs, `tmp_${name}`); // git's own cleaning removes what a crash leaves by such a name
    try {
      await copyFile(join(folder, name), partial);
      await chmod(partial, 0o444);
      await moveDurably(partial, join(packs, name));
    } catch (fault) {
      await rm(partial, { force: true });
      throw fault;
    }
  }
}

type Move = { branch: string; commit: string; before: string | null; reason: string };

async function moveBranch(task: Task, git: Git, repository: Repository, move: Move): Promise<void> {
  const { branch, commit, before, reason } = move;
  const { gitDir, commonDir } = repository;
  const place = { ...placeOf(repository), writable: [...new Set([gitDir, commonDir])] };
  const expected = before ?? '0'.repeat(commit.length);
  try {
    await git.run(task, place, ['update-ref', '-m', reason, `refs/heads/${branch}`, commit, expected]);
  } catch (cause) {
    if (gitWords(cause) === null) throw cause;
    throw branchExists(branch, `cannot be made (${gitWords(cause)})`, 'Name another branch.');
  }
}

function branchExists(branch: string, how: string, hint: string): BangerError {
  return new BangerError('BRANCH_EXISTS', { message: `The branch "${branch}" ${how}.`, hint, details: { branch } });
}
