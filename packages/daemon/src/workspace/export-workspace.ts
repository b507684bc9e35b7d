/** A guest's changes become a branch of the owner's repository. Its files, index and HEAD are not touched. */

import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { WorkspaceExport, workspaceExportSchema } from '@banger/contract/api/workspaces.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { z } from 'zod';
import type { Task } from '../platform/task.ts';
import type { WorkspaceRecord } from '../store/records/workspaces.ts';
import { findRepository, type Repository } from './find-repository.ts';
import { type Git, type GitPlace, gitWords } from './git.ts';
import { newCommits, receiveChanges } from './receive-changes.ts';
import { splitNames } from './tree-entries.ts';
import type { WorkspaceParts } from './workspace-parts.ts';

type Vm = { id: string; name: string };
type Request = z.output<typeof workspaceExportSchema>;

/** Throws BRANCH_EXISTS, BAD_NAME, and what receiving throws; the repository is as it was then. */
export async function exportBranch(
  task: Task,
  parts: WorkspaceParts,
  vm: Vm,
  record: WorkspaceRecord,
  { branch, force }: Request,
): Promise<WorkspaceExport> {
  const { git } = parts;
  const repository = await findRepository(task, git, record.repoPath);
  const before = await checkBranch(task, git, repository, branch, force);

  await using received = await receiveChanges(task, parts, vm, record, 'export');
  const { commit, head, tree, quarantine } = received;
  const isUnchanged = head === record.baseCommit && tree === record.tree;
  const nothing = { branch, commit: null, commits: 0, files: 0, repo: repository.path };
  if (commit === null || isUnchanged) return nothing;

  const commits = await newCommits(task, git, quarantine, record.baseCommit, commit);
  const files = splitNames(
    await git.run(task, quarantine, ['diff-tree', '-r', '-z', '--name-only', record.tree, tree]),
  );
  task.step(`make the branch ${branch}`);
  await moveObjects(task, git, quarantine, repository, record.baseCommit, commit);
  await moveBranch(task, git, repository, { branch, commit, before, reason: `banger: export from the vm ${vm.name}` });
  return { branch, commit, commits: commits.length, files: files.length, repo: repository.path };
}

/** Gives where the branch is now; null when there is none. */
async function checkBranch(task: Task, git: Git, repository: Repository, branch: string, isForced: boolean) {
  const place = { gitDir: repository.commonDir };
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

/** Only what the branch needs is copied, straight to the objects: the repository's config has no say in it. */
async function moveObjects(
  task: Task,
  git: Git,
  quarantine: GitPlace,
  repository: Repository,
  base: string | null,
  commit: string,
): Promise<void> {
  const pack = new PassThrough();
  const ending = new AbortController();
  const both = task.withSignal(ending.signal);
  const revisions = base === null ? `${commit}\n` : `${commit}\n^${base}\n`;
  const packing = git.run(both, quarantine, ['pack-objects', '--revs', '--stdout', '--quiet', '--delta-base-offset'], {
    stdin: revisions,
    stdout: pack,
    isHostile: true,
  });
  pack.on('error', () => {}); // whoever broke it is the one that reports
  packing.catch((fault) => pack.destroy(fault as Error));
  const target = { ...quarantine, objectFolder: join(repository.commonDir, 'objects') };
  const indexing = git.run(both, target, ['index-pack', '--stdin', '--strict'], { stdin: pack, isHostile: true });
  try {
    await Promise.all([packing, indexing]);
  } finally {
    ending.abort();
    await Promise.allSettled([packing, indexing]);
  }
}

type Move = { branch: string; commit: string; before: string | null; reason: string };

async function moveBranch(task: Task, git: Git, repository: Repository, move: Move): Promise<void> {
  const { branch, commit, before, reason } = move;
  const place = { gitDir: repository.commonDir };
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
