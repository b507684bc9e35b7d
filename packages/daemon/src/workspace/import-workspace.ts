/** A repository goes into a guest: with git there as a repository of its own, else as files. */
import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PassThrough, Transform } from 'node:stream';
import type { Workspace, workspaceImportSchema } from '@banger/contract/api/workspaces.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { vmHost } from '@banger/contract/names.ts';
import type { z } from 'zod';
import type { Guest } from '../guest/guest.ts';
import { makePrivateFolder, removeTree } from '../platform/files.ts';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import type { WorkspaceRecord } from '../store/records/workspaces.ts';
import { carrySettings } from './carry-settings.ts';
import { findRepository, type Repository } from './find-repository.ts';
import { AS_MUCH_AS_THERE_IS, type GitPlace } from './git.ts';
import { runAsOwner, runInGuest } from './guest-command.ts';
import { HeaderReader } from './guest-header.ts';
import { guestScripts } from './guest-scripts.ts';
import type { Reading } from './kept-readings.ts';
import { makeLens, placeOfLens, readShallow } from './lens.ts';
import { type Found, probeGuest } from './probe-guest.ts';
import { readObjects } from './read-objects.ts';
import { type Snapshot, snapshotRepository } from './snapshot-repository.ts';
import { lensFolder, NEW_LENS, type WorkspaceParts, type WorkspaceVm } from './workspace-parts.ts';

type Request = z.output<typeof workspaceImportSchema>;

/** More would not fit in the command that the guest gets */
const MAX_SHALLOW_COMMITS = 500;

export async function importWorkspace(
  task: Task,
  parts: WorkspaceParts,
  vm: WorkspaceVm,
  request: Request,
): Promise<Workspace> {
  const { git } = parts;
  await using undo = new UndoStack(parts.log);
  const kept = parts.kept.take(request.kept, request);
  if (kept !== null) undo.add('remove what the plan has read', () => removeTree(kept.folder));
  const repository = kept?.repository ?? (await findRepository(task, git, request.repo));
  const guest = await parts.vms.guest(task, vm.id);
  const { at, user } = request;
  const ownUser = parts.vms.imageConfig(vm.id)?.user ?? null;
  const found = await probeGuest(task, guest, { at, user, ownUser, name: repository.name });
  const { path } = found;
  const before = parts.records.list(vm.id).find((record) => record.path === path) ?? null;
  await refuseToOverwrite(task, guest, vm, path, found, before, request.force);
  if (found.is === 'there' && user !== undefined) {
    await runInGuest(task, guest, { argv: guestScripts.give(path, found.uid), cwd: '/', maxBytes: 100 });
  }

  task.step('read the repository');
  const folder = lensFolder(parts, vm.id, path);
  const staged = `${folder}${NEW_LENS}`;
  undo.add('remove the new lens', () => removeTree(staged));
  await removeTree(staged);
  await makePrivateFolder(dirname(folder));
  const { lens, snapshot } = (kept && (await takeOver(kept, staged))) ?? (await read(staged));
  for (const note of snapshot.notes) task.note(note);

  task.step('bring the repository in');
  if (found.hasGit) await sendHistory(task, parts, guest, { vm, ...found, repository, lens, snapshot, request });
  else await sendFiles(task, parts, guest, { ...found, lens, snapshot, isAgain: before !== null });

  await removeTree(folder);
  await rename(staged, folder);
  undo.keep();
  const record = recordOf(parts, vm, path, repository, snapshot, found.hasGit);
  await parts.records.put(record);
  const sizeBytes = snapshot.entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  const { vmId: _, repoPath, baseCommit, ...rest } = record;
  return { vm: vm.name, repo: repoPath, base: baseCommit, files: snapshot.entries.length, sizeBytes, ...rest };

  async function read(at: string) {
    const lens = await makeLens(repository, at);
    return { lens, snapshot: await snapshotRepository(task, git, repository, lens, request) };
  }
}

/** Null where it lies on another filesystem: there it goes, and is read anew. */
async function takeOver({ repository, snapshot, folder }: Reading, at: string) {
  try {
    await rename(folder, at);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'EXDEV') throw fault;
    await removeTree(folder);
    return null;
  }
  return { lens: placeOfLens(repository, at), snapshot };
}

/** Throws WORKSPACE_CHANGED unless there is nothing that would be lost. */
async function refuseToOverwrite(
  task: Task,
  guest: Guest,
  vm: WorkspaceVm,
  path: string,
  { hasGit, is }: Found,
  before: WorkspaceRecord | null,
  isForced: boolean,
): Promise<void> {
  if (is === 'new' || isForced) return;
  if (before?.hasGit && hasGit && (await isUnchanged(task, guest, before))) return;
  throw new BangerError('WORKSPACE_CHANGED', {
    message: before?.hasGit
      ? `${path} in "${vm.name}" was changed since it was brought in.`
      : `${path} in "${vm.name}" is there already, and its changes cannot be told.`,
    hint: `"banger vm workspace diff ${vm.name}" shows changes, "export" brings them back; --force overwrites them.`,
    details: { vm: vm.name, path },
  });
}

async function isUnchanged(task: Task, guest: Guest, { path, baseCommit, tree }: WorkspaceRecord): Promise<boolean> {
  const reader = new HeaderReader();
  const argv = guestScripts.snapshot('check', baseCommit, tree);
  try {
    await runAsOwner(task, guest, { argv, cwd: path, maxBytes: 20_000, onStdout: (bytes) => void reader.push(bytes) });
  } catch (fault) {
    if (fault instanceof BangerError && fault.code === 'WORKSPACE_FAILED') return false; // no repository any more
    throw fault;
  }
  const now = reader.whole();
  return now.head === baseCommit && now.tree === tree;
}

type History = {
  vm: WorkspaceVm;
  path: string;
  is: Found['is'];
  uid: string;
  repository: Repository;
  lens: GitPlace;
  snapshot: Snapshot;
  request: Request;
};

async function sendHistory(task: Task, { git }: WorkspaceParts, guest: Guest, given: History): Promise<void> {
  const { vm, path, is, uid, repository, lens, snapshot, request } = given;
  const { base, branch, tree, changed } = snapshot;
  const isShallow = request.history === 'shallow' && base !== null;
  const cut = await readShallow(lens.gitDir);
  const shallow = isShallow ? [base] : cut;
  if (shallow.length > MAX_SHALLOW_COMMITS) throw tooShallow(repository);
  const settings = await carrySettings(task, git, lens, repository);
  const objects = [settings.attributes, settings.ownAttributes].filter((id) => id !== '').map((id) => `${id}\n`);
  const commits = isShallow ? `--shallow ${base}\n${base}\n${tree}\n` : `${base ?? ''}\n${tree}\n`.replace(/^\n/, '');
  const revisions = commits + objects.join('');
  const argv = guestScripts.unpack({
    is,
    base,
    tree,
    differs: changed.length > 0,
    branch: base === null ? (branch ?? 'main') : (branch ?? ''),
    format: repository.objectFormat,
    shallow,
    history: request.history,
    settings,
    host: vmHost(vm.name),
  });
  await streamToGuest(task, guest, { argv, cwd: path, ...asUser(uid) }, (sending, stdout) => {
    const args = ['pack-objects', '--revs', '--stdout', '--quiet', '--delta-base-offset'];
    return readObjects(() => git.run(sending, lens, args, { stdin: revisions, stdout, maxBytes: AS_MUCH_AS_THERE_IS }));
  });
}

type Files = { path: string; uid: string; lens: GitPlace; snapshot: Snapshot; isAgain: boolean };

async function sendFiles(task: Task, { git }: WorkspaceParts, guest: Guest, given: Files): Promise<void> {
  const { path, uid, lens, snapshot, isAgain } = given;
  task.note('The image has no git: its files go in without a history, and there is no "workspace diff" or "export".');
  if (isAgain) await runInGuest(task, guest, { argv: guestScripts.empty(path, uid), cwd: '/', maxBytes: 100 });
  const tar = new PassThrough();
  const args = ['archive', '--format=tar', snapshot.tree];
  await together(task, [
    (own) => guest.writeTar(own, path, tar, uid === '0' ? {} : { owner: uid }),
    (own) => readObjects(() => git.run(own, lens, args, { stdout: tar, maxBytes: AS_MUCH_AS_THERE_IS })),
  ]);
}

/** Root is who it is when nobody is named. */
function asUser(uid: string): { user?: string } {
  return uid === '0' ? {} : { user: uid };
}

/** Runs a command in the guest with what `produce` writes as its stdin; each ends with the other. */
async function streamToGuest(
  task: Task,
  guest: Guest,
  command: { argv: string[]; cwd: string; user?: string },
  produce: (task: Task, stdout: Transform) => Promise<unknown>,
): Promise<void> {
  const stdin = countBytes(task);
  await together(task, [
    (own) => produce(own, stdin),
    (own) => runInGuest(own, guest, { ...command, stdin, maxBytes: 65_536 }),
  ]);
}

function countBytes(task: Task): Transform {
  let sentBytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sentBytes += chunk.length;
      task.progress(sentBytes, null, 'bytes');
      done(null, chunk);
    },
  });
}

function recordOf(
  { now }: WorkspaceParts,
  vm: WorkspaceVm,
  path: string,
  repository: Repository,
  { base, tree }: Snapshot,
  hasGit: boolean,
): WorkspaceRecord {
  const importedAt = now().toISOString();
  return { vmId: vm.id, path, repoPath: repository.path, baseCommit: base, tree, hasGit, importedAt };
}

function tooShallow({ path }: Repository): BangerError {
  return new BangerError('REPO_INVALID', {
    message: `The history of ${path} is cut off at more than ${MAX_SHALLOW_COMMITS} commits.`,
    hint: 'Leave --full out, or complete it with "git fetch --unshallow".',
  });
}
