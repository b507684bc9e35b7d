/** Puts what a guest without the older history has rewritten back into its place in the owner's history. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';
import type { Task } from '../platform/task.ts';
import type { Git, GitPlace } from './git.ts';
import { readBlobs } from './read-links.ts';
import { explained } from './receive-pack.ts';
import { authorOf, type RawCommit, withParents } from './rewrite-commits.ts';

/**
 * Gives the commit to take for `commit`, and says what was done. A first commit that has the author of the base, and its
 * time, is the base rewritten; any other begins a history of its own, and stays so.
 */
export async function restoreParents(
  task: Task,
  git: Git,
  quarantine: GitPlace,
  base: string,
  commit: string,
): Promise<string> {
  return explained(async () => {
    const list = (...args: string[]) => listIds(task, git, quarantine, args);
    const roots = await list('rev-list', '--max-parents=0', commit, `^${base}`);
    if (roots.length === 0) return commit;
    const [, ...parents] = await list('rev-list', '--no-walk', '--parents', base);
    const commits = await list('rev-list', '--topo-order', '--reverse', commit, `^${base}`);
    const bodies = await readBlobs(task, git, quarantine, [base, ...commits]);
    const raw = (id: string): RawCommit => ({ id, body: bodies.get(id) ?? '' });
    const author = authorOf(raw(base));
    const isRewritten = (root: string) => parents.length > 0 && authorOf(raw(root)) === author;
    for (const root of roots.filter((each) => !isRewritten(each))) task.note(ofItsOwn(root));
    const rewritten = withParents(commits.map(raw), new Set(roots.filter(isRewritten)), parents);
    if (rewritten.length === 0) return commit;
    await writeCommits(task, git, quarantine, rewritten);
    task.note(
      `The guest has no history before ${base.slice(0, 12)}: what was rewritten there got the parents that it has here.`,
    );
    return rewritten.find(({ was }) => was === commit)?.id ?? commit;
  });
}

async function listIds(task: Task, git: Git, place: GitPlace, args: string[]): Promise<string[]> {
  const text = await git.text(task, place, args, { isHostile: true });
  return text.split(/\s+/).filter((id) => id !== '');
}

async function writeCommits(task: Task, git: Git, quarantine: GitPlace, commits: readonly RawCommit[]): Promise<void> {
  const folder = join(quarantine.gitDir, 'rewritten');
  await mkdir(folder);
  const paths = commits.map(({ id }) => join(folder, id));
  for (const [at, { body }] of commits.entries()) await writeFile(paths[at] as string, body, 'latin1');
  const args = ['hash-object', '-t', 'commit', '-w', '--stdin-paths', '--no-filters'];
  const stdin = paths.map((path) => `${path}\n`).join('');
  const written = await git.text(task, quarantine, args, { stdin, isHostile: true });
  if (written === commits.map(({ id }) => id).join('\n')) return;
  throw new BangerError('INTERNAL', { message: 'git gave a rewritten commit another id than banger computed for it.' });
}

function ofItsOwn(root: string): string {
  return (
    `${root.slice(0, 12)} begins a history of its own: git merges it with --allow-unrelated-histories only. ` +
    'What rewrites older commits needs them: bring the repository in with --full.'
  );
}
