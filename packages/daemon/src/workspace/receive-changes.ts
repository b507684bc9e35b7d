/** What was changed in a guest since its import, in a quarantine that is gone when `use` has ended. */
import { randomBytes } from 'node:crypto';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { BangerError } from '@banger/contract/errors.ts';
import { vmHost } from '@banger/contract/names.ts';
import { listFolder, makePrivateFolder, removeTree } from '../platform/files.ts';
import type { Task } from '../platform/task.ts';
import type { WorkspaceRecord } from '../store/records/workspaces.ts';
import { findObjection, isSpecial, type Known, keyOf } from './check-changes.ts';
import { findRepositoryOf, type Repository } from './find-repository.ts';
import { AS_MUCH_AS_THERE_IS, type Git, type GitPlace } from './git.ts';
import type { GuestHeader } from './guest-header.ts';
import { guestScripts } from './guest-scripts.ts';
import { makeBareRepository } from './lens.ts';
import { readBlobs } from './read-links.ts';
import { explained, listReceived, type ReceivedObjects, receivePack, refused } from './receive-pack.ts';
import { type Change, parseChanges, parseTree, SYMLINK, showName, type TreeEntry } from './tree-entries.ts';
import { lensFolder, QUARANTINE, type WorkspaceParts, type WorkspaceVm, workspacesFolder } from './workspace-parts.ts';

export type Received = GuestHeader & { quarantine: GitPlace; repository: Repository; folder: string };

/** `diff` is shown and may hold anything; `patch` and `export` are going to be files of the owner's */
type Purpose = 'diff' | 'patch' | 'export';

const MAX_LINK_BYTES = 4096;

export async function receiveChanges(
  task: Task,
  parts: WorkspaceParts,
  vm: WorkspaceVm,
  record: WorkspaceRecord,
  purpose: Purpose,
  movedTo: string | undefined,
): Promise<Received & AsyncDisposable> {
  const { git, limits } = parts;
  const guest = await parts.vms.guest(task, vm.id);
  const repository = await findRepositoryOf(task, git, record, movedTo);
  const folder = await makeQuarantineFolder(parts, vm);
  const leave = () => removeTree(folder);
  try {
    const quarantine = await makeQuarantine(task, parts, record, repository, folder);
    task.step('read what was changed in the guest');
    const what = purpose === 'export' ? 'export' : 'diff';
    const argv = guestScripts.snapshot(what, record.baseCommit, record.tree, `Changes in the vm ${vm.name}`);
    const env = { ...identity(vm) };
    const header = await receivePack(task, git, quarantine, { guest, argv, cwd: record.path, env, limits });
    task.step('check what the guest sent');
    if (header.leftOut.count > 0) task.note(leftOut(header));
    const received = { ...header, quarantine, repository, folder };
    await explained(() => checkReceived(task, parts, record, received, purpose));
    return { ...received, [Symbol.asyncDispose]: leave };
  } catch (fault) {
    await leave();
    throw fault;
  }
}

function leftOut({ leftOut: { count, names } }: GuestHeader): string {
  const more = count > names.length ? ` and ${count - names.length} more` : '';
  return (
    `Left out, since they are repositories of their own: ${names.map(showName).join(', ')}${more}. ` +
    'A line in the .gitignore of the workspace says so for good.'
  );
}

function identity({ name }: WorkspaceVm): Record<string, string> {
  const who = { NAME: 'banger', EMAIL: `root@${vmHost(name)}` };
  return {
    GIT_AUTHOR_NAME: who.NAME,
    GIT_AUTHOR_EMAIL: who.EMAIL,
    GIT_COMMITTER_NAME: who.NAME,
    GIT_COMMITTER_EMAIL: who.EMAIL,
  };
}

/** What a daemon that was killed left goes first. */
async function makeQuarantineFolder(parts: WorkspaceParts, vm: WorkspaceVm): Promise<string> {
  const all = workspacesFolder(parts, vm.id);
  for (const name of await listFolder(all)) if (name.startsWith(QUARANTINE)) await removeTree(join(all, name));
  const folder = join(all, `${QUARANTINE}${randomBytes(6).toString('hex')}`);
  await makePrivateFolder(folder);
  return folder;
}

async function makeQuarantine(
  task: Task,
  parts: WorkspaceParts,
  { vmId, path, baseCommit, tree }: WorkspaceRecord,
  repository: Repository,
  folder: string,
): Promise<GitPlace> {
  const { git } = parts;
  const lens = lensFolder(parts, vmId, path);
  const gitDir = join(folder, 'git');
  const place = { gitDir, readable: [lens, repository.commonDir], writable: [gitDir] };
  const objects = [join(lens, 'objects'), join(repository.commonDir, 'objects')];
  await makeBareRepository(gitDir, repository.objectFormat, objects);
  await copyFile(join(lens, 'shallow'), join(gitDir, 'shallow')).catch(() => {}); // most histories are whole
  for (const id of [tree, ...(baseCommit === null ? [] : [baseCommit])]) await expectObject(id);
  return place;

  async function expectObject(id: string): Promise<void> {
    try {
      await git.run(task, place, ['cat-file', '-e', id]);
    } catch (cause) {
      throw new BangerError('REPO_INVALID', {
        message: `${repository.path} no longer has ${id.slice(0, 12)}, which the workspace was made from.`,
        hint: 'It may have been rewritten and cleaned up. "banger vm cp" still brings the files out.',
        cause,
      });
    }
  }
}

async function checkReceived(
  task: Task,
  parts: WorkspaceParts,
  record: WorkspaceRecord,
  received: Received,
  purpose: Purpose,
): Promise<void> {
  const { git, limits } = parts;
  const { quarantine, commit, tree } = received;
  const objects = await listReceived(task, git, quarantine, limits);
  const isExport = purpose === 'export';
  await expectType(task, git, quarantine, tree, 'tree');
  if (isExport && commit !== null) await expectType(task, git, quarantine, commit, 'commit');
  const tips = [tree, ...(isExport && commit !== null ? [commit] : [])];
  await expectWhole(task, git, quarantine, record, tips, objects);
  if (purpose === 'diff') return;

  const changes = parseChanges(await git.run(task, quarantine, [...RAW, record.tree, tree], { isHostile: true }));
  if (isExport && commit !== null) changes.push(...(await changesOfCommits(task, parts, record, received)));
  const known = await listKnown(task, git, quarantine, record);
  const targets = await readNewLinks(task, git, quarantine, changes, objects);
  const objection = findObjection(changes, known, (id) => targets.get(id) ?? null);
  if (objection) throw refused(`${showName(objection.name)}: ${objection.why}`, undefined, objection.hint);
}

const RAW = ['diff-tree', '-r', '-z', '--raw', '--no-renames', '--no-abbrev', '--ignore-submodules=none'];

async function expectType(task: Task, git: Git, place: GitPlace, id: string, type: string): Promise<void> {
  const found = await git.text(task, place, ['cat-file', '-t', id], { isHostile: true });
  if (found !== type) throw refused(`${id.slice(0, 12)} is a ${found}, not a ${type}`);
}

/**
 * All that is new must have come from the guest: else it could name, by its id, an object of the owner's repository that
 * was never brought in, and have it published with the branch.
 */
async function expectWhole(
  task: Task,
  git: Git,
  place: GitPlace,
  { baseCommit, tree }: WorkspaceRecord,
  tips: string[],
  objects: ReceivedObjects,
): Promise<void> {
  const known = [tree, ...(baseCommit === null ? [] : [baseCommit])];
  const listing = ['rev-list', '--objects', '--no-object-names', '--stdin'];
  const text = await git.text(task, place, listing, {
    stdin: [...tips, ...known.map((id) => `^${id}`)].map((id) => `${id}\n`).join(''),
    isHostile: true,
  });
  const foreign = new Set(text.split('\n').filter((id) => id !== '' && !objects.has(id)));
  if (foreign.size === 0) return;
  // With its whole history brought in, a guest may have gone back to an older file.
  await git.run(task, place, listing, {
    stdin: known.map((id) => `${id}\n`).join(''),
    stdout: eachLine((id) => foreign.delete(id)),
    maxBytes: AS_MUCH_AS_THERE_IS, // the owner's own history, of which nothing is kept
  });
  for (const id of foreign) throw refused(`it names the object ${id.slice(0, 12)}, which it did not send`);
}

function eachLine(take: (line: string) => void): Writable {
  let partial = '';
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      const lines = (partial + chunk.toString('latin1')).split('\n');
      partial = lines.pop() as string;
      for (const line of lines) take(line);
      done();
    },
  });
}

/** Each commit against each of its parents: what is undone later is in the branch nevertheless. */
async function changesOfCommits(
  task: Task,
  { git, limits }: WorkspaceParts,
  { baseCommit }: WorkspaceRecord,
  { quarantine, commit }: Received,
): Promise<Change[]> {
  const commits = await newCommits(task, git, quarantine, baseCommit, commit as string);
  if (commits.length > limits.commits)
    throw refused(`it has ${commits.length} commits; at most ${limits.commits} are taken`);
  if (commits.length === 0) return [];
  const args = [...RAW, '--stdin', '-m', '--root', '--no-commit-id'];
  return parseChanges(await git.run(task, quarantine, args, { stdin: `${commits.join('\n')}\n`, isHostile: true }));
}

export async function newCommits(
  task: Task,
  git: Git,
  place: GitPlace,
  base: string | null,
  commit: string,
): Promise<string[]> {
  const args = ['rev-list', commit, ...(base === null ? [] : [`^${base}`])];
  const text = await git.text(task, place, args, { isHostile: true });
  return text === '' ? [] : text.split('\n');
}

async function listKnown(task: Task, git: Git, place: GitPlace, record: WorkspaceRecord): Promise<Known> {
  const special: TreeEntry[] = [];
  for (const id of [record.tree, ...(record.baseCommit === null ? [] : [record.baseCommit])]) {
    special.push(...parseTree(await git.run(task, place, ['ls-tree', '-r', '-z', '-l', id])).filter(isSpecial));
  }
  const links = special.filter(({ mode }) => mode === SYMLINK);
  const targets = await readBlobs(
    task,
    git,
    place,
    links.map(({ id }) => id),
  );
  return {
    keys: new Set(special.map(keyOf)),
    links: links.map(({ name, id }) => ({ name, target: targets.get(id) ?? '/' })),
  };
}

/** Where new links point; one that is too long to be a link is left out, and so refused. */
function readNewLinks(
  task: Task,
  git: Git,
  place: GitPlace,
  changes: readonly Change[],
  objects: ReceivedObjects,
): Promise<Map<string, string>> {
  const ids = changes.filter(({ mode }) => mode === SYMLINK).map(({ id }) => id);
  const short = ids.filter((id) => (objects.get(id) ?? 0) <= MAX_LINK_BYTES);
  return readBlobs(task, git, place, short);
}
