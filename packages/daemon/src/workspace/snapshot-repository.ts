/**
 * The owner's repository as it is now, as one git tree: what is checked out, with the uncommitted changes of tracked
 * files. New objects go to the lens; the repository, its index and its files are only read.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';
import { placeOf, type Repository } from './find-repository.ts';
import type { Git, GitPlace } from './git.ts';
import { invalid, readObjects } from './read-objects.ts';
import { joinNames, parseStatus, parseTree, SUBMODULE, showNames, splitNames, type TreeEntry } from './tree-entries.ts';

export type SnapshotOptions = { ref?: string | undefined; includeUntracked: boolean; skipSubmodules: boolean };

export type Snapshot = {
  base: string | null;
  /** Null when no branch is checked out */
  branch: string | null;
  tree: string;
  entries: TreeEntry[];
  /** Names of the files that differ from the base */
  changed: string[];
  notes: string[];
};

const MAX_FILES = 1_000_000;

/** Throws REPO_INVALID or REF_NOT_FOUND. */
export async function snapshotRepository(
  task: Task,
  git: Git,
  repository: Repository,
  lens: GitPlace,
  options: SnapshotOptions,
): Promise<Snapshot> {
  const found = await findBase(task, git, repository, options.ref);
  const { base, branch } = found;
  const isWorkTree = !repository.isBare && options.ref === undefined;
  const notes: string[] = [];
  const tree = isWorkTree ? await writeWorkTree(task, git, lens, found, options, notes) : (found.tree as string);
  const [listing, differing] = await together(task, [
    (own) => readObjects(() => git.run(own, lens, ['ls-tree', '-r', '-z', '-l', tree])),
    (own) => listDiffering(own, git, lens, found.tree, tree),
  ]);
  const entries = parseTree(listing);
  if (entries.length > MAX_FILES) throw invalid(`It has more than ${MAX_FILES} files.`);
  checkSubmodules(entries, options, notes);
  await notePointers(task, git, lens, entries, notes);
  return { base, branch, tree, entries, changed: differing ?? entries.map(({ name }) => name), notes };
}

/** All null while nothing was committed; no branch where none is checked out */
type Base = { base: string; tree: string; branch: string | null } | { base: null; tree: null; branch: string | null };

/** One run of git, except where nothing was committed. */
async function findBase(task: Task, git: Git, repository: Repository, ref: string | undefined): Promise<Base> {
  const { path, isBare } = repository;
  const place = placeOf(repository);
  const wanted = ref ?? 'HEAD';
  const args = ['rev-parse', `${wanted}^{commit}`, `${wanted}^{tree}`, '--symbolic-full-name', wanted];
  const words = (await git.text(task, place, args, { acceptCodes: [1, 128] })).split('\n');
  const [base = '', tree = '', name = ''] = words;
  if (words.length <= 3 && isId(base) && isId(tree)) return { base, tree, branch: branchOf(name) };
  if (isId(base) && tree === `${wanted}^{tree}`) {
    throw invalid(`The files of ${base.slice(0, 12)} are missing.`, '"git fsck" in it tells more.');
  }
  if (ref === undefined && !isBare) {
    const unborn = await git.text(task, place, ['symbolic-ref', '--quiet', 'HEAD'], { acceptCodes: [1, 128] });
    return { base: null, tree: null, branch: branchOf(unborn) };
  }
  throw new BangerError('REF_NOT_FOUND', {
    message: `${path} has no commit, branch or tag "${wanted}".`,
    hint: `"git -C ${path} branch --all" lists the branches.`,
    details: { ref: wanted },
  });
}

const isId = (word: string) => /^[0-9a-f]{40,64}$/.test(word);
const branchOf = (name: string) => /^refs\/heads\/(.+)$/.exec(name)?.[1] ?? null;

/** Tracked files as they are, and with `includeUntracked` those that git neither tracks nor ignores. */
async function writeWorkTree(
  task: Task,
  git: Git,
  lens: GitPlace,
  { base, tree }: Base,
  options: SnapshotOptions,
  notes: string[],
): Promise<string> {
  // Against which git compares the index
  if (base !== null) await writeFile(join(lens.gitDir, 'HEAD'), `${base}\n`);
  const status = ['status', '--porcelain=v2', '-z', '--no-renames', '--untracked-files=all'];
  const { isClean, present, gone, ...rest } = parseStatus(await readObjects(() => git.run(task, lens, status)));
  const found = noteNested(rest.untracked, notes);
  const untracked = options.includeUntracked ? found : [];
  if (found.length > untracked.length) {
    notes.push(`Left out, since git does not track them (--include-untracked brings them): ${showNames(found)}.`);
  }
  if (isClean && tree !== null && untracked.length === 0) return tree;
  // What is gone goes first: a link or a file may stand where its folder was.
  await updateIndex(['--force-remove'], gone);
  const names = [...present, ...untracked];
  if (names.length > 0) await refuseFiltered(task, git, lens, names);
  await updateIndex(['--add', '--remove'], names);
  return readObjects(() => git.text(task, lens, ['write-tree']));

  async function updateIndex(how: string[], names: string[]): Promise<void> {
    if (names.length === 0) return;
    const args = ['update-index', ...how, '-z', '--stdin'];
    await readObjects(() => git.run(task, lens, args, { stdin: joinNames(names) }));
  }
}

/** Gives those that are files. */
function noteNested(untracked: readonly string[], notes: string[]): string[] {
  const nested = untracked.filter((name) => name.endsWith('/'));
  if (nested.length > 0) notes.push(`Left out, since they are repositories of their own: ${showNames(nested)}.`);
  return untracked.filter((name) => !name.endsWith('/'));
}

/** Null where there is nothing to differ from. */
async function listDiffering(task: Task, git: Git, lens: GitPlace, before: string | null, tree: string) {
  if (before === null || before === tree) return before === null ? null : [];
  return splitNames(await git.run(task, lens, ['diff-tree', '-r', '-z', '--name-only', before, tree]));
}

/** A filter is a program; banger does not run it, and what is in the file now is not what git would keep. */
async function refuseFiltered(task: Task, git: Git, lens: GitPlace, names: string[]): Promise<void> {
  const listing = await git.run(task, lens, ['check-attr', '-z', '--stdin', 'filter'], {
    stdin: joinNames(names),
    ...inside(lens),
  });
  const words = splitNames(listing);
  const filtered = names.filter((_name, index) => !/^(unspecified|unset|set)?$/.test(words[index * 3 + 2] ?? ''));
  if (filtered.length === 0) return;
  throw invalid(
    `Changed files go through a git filter, such as LFS, which banger does not run: ${showNames(filtered)}.`,
    'Run "git add" on them, or commit them: then what your own git made of them travels.',
  );
}

function inside(lens: GitPlace) {
  return lens.workTree === undefined ? {} : { cwd: lens.workTree };
}

function checkSubmodules(entries: TreeEntry[], { skipSubmodules }: SnapshotOptions, notes: string[]): void {
  const names = entries.filter(({ mode }) => mode === SUBMODULE).map(({ name }) => name);
  if (names.length === 0) return;
  if (!skipSubmodules) {
    throw invalid(
      `It has submodules, which do not travel: ${showNames(names)}.`,
      'With --skip-submodules it goes in with their folders empty; bring them in by themselves with --at.',
    );
  }
  notes.push(`The folders of submodules are empty: ${showNames(names)}.`);
}

/** The repository holds small files that name the large ones, which LFS keeps elsewhere. */
async function notePointers(task: Task, git: Git, lens: GitPlace, entries: TreeEntry[], notes: string[]) {
  if (!entries.some(({ name }) => /(^|\/)\.gitattributes$/.test(name))) return;
  const small = entries.filter(({ mode, sizeBytes }) => mode.startsWith('100') && sizeBytes > 100 && sizeBytes < 200);
  const ids = small.map(({ id }) => `${id}\n`).join('');
  const bodies = (await git.run(task, lens, ['cat-file', '--batch'], { stdin: ids })).toString('latin1');
  const pointers = small.filter(({ id, sizeBytes }) =>
    bodies.includes(`${id} blob ${sizeBytes}\nversion https://git-lfs.github.com/spec/`),
  );
  if (pointers.length === 0) return;
  notes.push(`LFS pointers travel as they are, without the content: ${showNames(pointers.map(({ name }) => name))}.`);
}
