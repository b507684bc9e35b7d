/** A repository is read once for "vm run": what the plan has read is what the import brings in. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import { Task } from '../platform/task.ts';
import { findRepository } from './find-repository.ts';
import { createGit, type Git } from './git.ts';
import { ENV, setUp } from './hostile-guest-suite.ts';
import { createKeptReadings, type Reading } from './kept-readings.ts';
import { makeLens } from './lens.ts';
import { snapshotRepository } from './snapshot-repository.ts';

const task = Task.background();
const SOURCE = { includeUntracked: false, skipSubmodules: false };

async function setUpReading(t: TestContext) {
  const { repo, folder, workspaces, received } = await setUp(t, { hasGit: false });
  let imports = 0;
  const change = (content: string) => writeFileSync(join(repo, 'file'), content);
  return { repo, change, plan, bring, scratch };

  async function plan(keep = true) {
    return (await workspaces.plan(task, { repo, ...SOURCE, listFiles: false, keep })).kept;
  }

  /** Gives what the guest got as "file". */
  async function bring(kept: string | null, source = {}): Promise<string> {
    received.length = 0;
    const how = { history: 'shallow', force: false, at: `/root/${++imports}`, ...(kept !== null && { kept }) } as const;
    await workspaces.importInto(task, 'web', { repo, ...SOURCE, ...how, ...source });
    for await (const entry of readTar(ReadableStream.from([Buffer.concat(received)]))) {
      if (entry.name === 'file') for await (const { bytes } of entry.body()) return Buffer.from(bytes).toString();
    }
    throw new Error('no file came');
  }

  function scratch(): string[] {
    return readdirSync(join(folder, 'scratch'));
  }
}

test('an import brings in what its plan has read, and once', async (t) => {
  const { change, plan, bring, scratch } = await setUpReading(t);
  change('planned');
  const kept = await plan();
  change('later');
  assert.equal(await bring(kept), 'planned');
  assert.deepEqual(scratch(), []);
  assert.equal(await bring(kept), 'later');
});

test('a plan that is not kept, or was made of something else, or by nobody, is not taken', async (t) => {
  const { change, plan, bring, scratch } = await setUpReading(t);
  assert.equal(await plan(false), null);
  assert.deepEqual(scratch(), []);
  change('planned');
  const kept = await plan();
  change('later');
  assert.equal(await bring('0123456789abcdef'), 'later');
  assert.equal(await bring(kept, { ref: 'HEAD' }), 'one\n');
  assert.equal(await bring(kept), 'planned');
});

test('of plans that nobody takes only the last few stay', () => {
  const { keep, take } = createKeptReadings({ log: { info: () => {}, warn: assert.fail } });
  const source = { repo: '/repo', ...SOURCE };
  const ids = Array.from({ length: 10 }, (_, at) => keep(source, { folder: `/nonexistent/${at}` } as Reading));
  const taken = ids.map((id) => take(id, source)?.folder);
  assert.deepEqual(taken.slice(0, 3), [undefined, undefined, '/nonexistent/2']);
  assert.equal(taken.at(-1), '/nonexistent/9');
});

test('few programs read a repository: three a clean one, seven a changed one', async (t) => {
  const { folder, repo } = await setUp(t);
  const counts = { run: 0 };
  const git = createGit({ ownerEnv: ENV });
  const counting: Git = {
    ...git,
    run: (...words) => {
      counts.run++;
      return git.run(...words);
    },
    text: (...words) => {
      counts.run++;
      return git.text(...words);
    },
  };
  const read = async (name: string) => {
    counts.run = 0;
    const repository = await findRepository(task, counting, repo);
    const lens = await makeLens(repository, join(folder, name));
    const { tree } = await snapshotRepository(task, counting, repository, lens, SOURCE);
    return { tree, runs: counts.run };
  };
  const clean = await read('clean');
  assert.equal(clean.runs, 3);
  writeFileSync(join(repo, 'file'), 'changed');
  const changed = await read('changed');
  assert.equal(changed.runs, 7);
  assert.notEqual(changed.tree, clean.tree);
});

test('a commit whose files are missing is not taken for a repository without one', async (t) => {
  const { repo, workspaces, importedTree: tree } = await setUp(t);
  rmSync(join(repo, '.git/objects', tree.slice(0, 2), tree.slice(2)));
  const plan = workspaces.plan(task, { repo, ...SOURCE, listFiles: false, keep: false });
  await assert.rejects(plan, { code: 'REPO_INVALID', message: /files of .* are missing/ });
});
