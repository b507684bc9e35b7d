/** Repositories of every kind: each goes in whole, or is refused with the reason and a way out. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WorkspacePlan } from '@banger/contract/api/workspaces.ts';
import { createRepository } from '../support/sample-repository.ts';
import { createWorkspaceHome } from '../support/workspace-home.ts';

const EXPORT = ['vm', 'workspace', 'export', 'web', '--branch'];
type Noted = { notes: string[] };

const POINTER = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`;

test('repositories of many kinds', async (t) => {
  const { home, repo, read, has, guestGit, bring, refuse, exportBranch, inside } = await createWorkspaceHome(t);
  const make = (name: string, options = {}) => createRepository(join(home.folder, name), options);
  const plan = (path: string, ...flags: string[]) =>
    home.json<WorkspacePlan>(['vm', 'workspace', 'import', 'web', path, '--dry-run', ...flags]);

  await t.test('an empty one: staged files go in, and the first commit comes back', async () => {
    const empty = make('empty', { isEmpty: true });
    assert.equal((await bring(empty.path, '--at', '/root/nothing')).files, 0);
    empty.write('staged', 'staged\n');
    empty.git('add', 'staged');
    assert.equal((await bring(empty.path)).base, null);
    assert.equal(read('root/empty/staged'), 'staged\n');
    assert.equal(guestGit('root/empty', 'branch', '--show-current'), 'trunk');
    guestGit('root/empty', 'add', '-A');
    guestGit('root/empty', 'commit', '-q', '-m', 'the first');
    const made = await exportBranch('first', '--at', '/root/empty');
    assert.equal(made.commits, 1);
    assert.equal(empty.git('show', 'first:staged'), 'staged');
  });

  await t.test('a worktree, with its own branch and changes', async () => {
    repo.git('worktree', 'add', '-q', '-b', 'side', join(home.folder, 'side'));
    writeFileSync(join(home.folder, 'side/tool.sh'), 'changed in the worktree\n');
    await bring(join(home.folder, 'side'));
    assert.equal(read('root/side/tool.sh'), 'changed in the worktree\n');
    assert.equal(guestGit('root/side', 'branch', '--show-current'), 'side');
    await refuse('BRANCH_EXISTS', 'vm', 'workspace', 'export', 'web', '--at', '/root/side', '--branch', 'side', '-f');
  });

  await t.test('a sparse checkout goes in whole', async () => {
    const sparse = make('sparse');
    sparse.git('sparse-checkout', 'set', '--cone', 'nowhere');
    await bring(sparse.path);
    assert.equal(read('root/sparse/src/a file.txt'), 'one\ntwo\n');
    assert.equal(guestGit('root/sparse', 'status', '--porcelain'), '');
  });

  await t.test('a bare one, and a detached HEAD', async () => {
    repo.git('clone', '-q', '--bare', repo.path, join(home.folder, 'bare.git'));
    assert.equal((await bring(join(home.folder, 'bare.git'))).path, '/root/bare');
    const detached = make('detached');
    detached.git('checkout', '-q', '--detach', 'HEAD~1');
    await bring(detached.path);
    assert.equal(guestGit('root/detached', 'branch', '--show-current'), '');
  });

  await t.test('a shallow one, with --full', async () => {
    repo.git('clone', '-q', '--depth=1', `file://${repo.path}`, join(home.folder, 'shallow'));
    await bring(join(home.folder, 'shallow'), '--full');
    guestGit('root/shallow', 'fsck', '--strict');
  });

  await t.test('names with spaces, quotes, newlines, hyphens and bytes that are no UTF-8', async () => {
    const odd = make('-odd "name"');
    const names = ['a\nb', ' lead', '-rf', '"q"', "it's", 'tab\t', 'ünï', '*', '\\'];
    for (const name of names) odd.write(name, name);
    writeFileSync(Buffer.concat([Buffer.from(`${odd.path}/`), Buffer.from([0xff, 0xfe])]), 'bytes');
    await bring(odd.path, '--include-untracked');
    for (const name of names) assert.equal(read(`root/-odd "name"/${name}`), name);
    const path = Buffer.concat([Buffer.from(inside('root/-odd "name"/')), Buffer.from([0xff, 0xfe])]);
    assert.equal(readFileSync(path, 'utf8'), 'bytes');
  });

  await t.test('submodules are refused with a way out', async () => {
    const outer = make('outer');
    outer.git('submodule', '--quiet', 'add', repo.path, 'inner');
    outer.commit('a submodule');
    const words = await refuse('REPO_INVALID', 'vm', 'workspace', 'import', 'web', outer.path);
    assert.match(words, /inner[\s\S]*--skip-submodules/);
    await bring(outer.path, '--skip-submodules');
    assert.ok(has('root/outer/Makefile') && !has('root/outer/inner/Makefile'));
    assert.equal((await exportBranch('none', '--at', '/root/outer')).commit, null);
  });

  await t.test('LFS pointers travel; a changed file behind a filter is refused with a way out', async () => {
    const lfs = make('lfs');
    lfs.write('big.bin', POINTER);
    lfs.write('.gitattributes', '*.bin filter=lfs diff=lfs merge=lfs -text\n');
    lfs.commit('a pointer');
    assert.match((await plan(lfs.path)).notes.join(), /LFS pointers[\s\S]*big\.bin/);
    lfs.write('big.bin', 'the content, longer than before, as git-lfs would have put it there');
    assert.match(await refuse('REPO_INVALID', 'vm', 'workspace', 'import', 'web', lfs.path), /big\.bin[\s\S]*git add/);
  });

  await t.test('what is no repository, or lacks objects or the ref, is refused', async () => {
    await refuse('REPO_INVALID', 'vm', 'workspace', 'import', 'web', home.folder);
    await refuse('REF_NOT_FOUND', 'vm', 'workspace', 'import', 'web', repo.path, '--ref', 'no-such');
    await refuse('BAD_REQUEST', 'vm', 'workspace', 'import', 'web', repo.path, '--ref=--all');
    const partial = make('partial');
    const id = partial.git('rev-parse', 'HEAD:Makefile');
    rmSync(join(partial.path, '.git/objects', id.slice(0, 2), id.slice(2)));
    await refuse('REPO_INVALID', 'vm', 'workspace', 'import', 'web', partial.path, '--ref', 'HEAD');
  });

  await t.test('a repository inside of it is left out with a word', async () => {
    const nested = make('nested');
    createRepository(join(nested.path, 'inner'));
    const { notes, entries } = await plan(nested.path, '--include-untracked');
    assert.match(((await bring(nested.path)) as unknown as Noted).notes.join(), /repositories of their own: inner/);
    assert.match(notes.join(), /repositories of their own: inner/);
    assert.ok(!entries?.some(({ path }) => path.startsWith('inner')));
  });

  await t.test('repositories and worktrees inside of it are left out on the way back, with a word', async () => {
    const holder = make('holder');
    await bring(holder.path);
    const git = (...args: string[]) => guestGit('root/holder', ...args);
    const nest = (name: string) => createRepository(inside(`root/holder/${name}`));
    writeFileSync(inside('root/holder/new'), 'new\n');
    nest('inner');
    git('worktree', 'add', '--quiet', 'tree');
    const first = await home.run([...EXPORT, 'with-commits', '--at', '/root/holder']);
    assert.match(first.stderr, /repositories of their own: inner, tree\. A line in the \.gitignore/);
    assert.equal(holder.git('diff', '--name-only', 'trunk', 'with-commits'), 'new');

    createRepository(inside('root/holder/no "commit"\tyet'), { isEmpty: true });
    rmSync(inside('root/holder/tool.sh'));
    const second = await home.run([...EXPORT, 'without', '--at', '/root/holder']);
    assert.match(second.stderr, /repositories of their own: .*no \\\\?"commit\\\\?"/, second.stderr);
    assert.equal(holder.git('diff', '--name-only', 'trunk', 'without'), 'new\ntool.sh');
    const left = /repositories of their own: .*inner.*A line in the \.gitignore/;
    const { stdout, stderr } = await home.run(['vm', 'workspace', 'diff', 'web', '--at', '/root/holder']);
    assert.doesNotMatch(stdout, /Subproject|inner/);
    assert.match(stderr, left);
    const patch = join(home.folder, 'nested.patch');
    const written = await home.json<Noted>([
      'vm',
      'workspace',
      'export',
      'web',
      '--at',
      '/root/holder',
      '--patch',
      patch,
    ]);
    assert.match(written.notes.join(), left);
    assert.doesNotMatch(readFileSync(patch, 'utf8'), /Subproject|inner/);
    const again = await home.json<Noted>([...EXPORT, 'without', '--force', '--at', '/root/holder']);
    assert.match(again.notes.join(), left);

    await bring(holder.path, '--at', '/root/holder', '--force');
    assert.ok(has('root/holder/inner/Makefile') && has('root/holder/tool.sh') && !has('root/holder/new'));
    rmSync(inside('root/holder/tool.sh'));
    writeFileSync(inside('root/holder/new'), 'new\n');

    rmSync(inside('root/holder/no "commit"\tyet'), { recursive: true });
    git('add', 'inner');
    await exportBranch('staged', '--at', '/root/holder');
    assert.equal(holder.git('diff', '--name-only', 'trunk', 'staged'), 'new\ntool.sh');

    git('commit', '--quiet', '-m', 'with what is no file');
    const words = await refuse('WORKSPACE_REFUSED', ...EXPORT, 'committed', '--at', '/root/holder');
    assert.match(words, /inner: a commit has it[\s\S]*git rm --cached[\s\S]*\.gitignore/);
  });

  await t.test('which workspace is meant has to be clear', async () => {
    assert.match(await refuse('WORKSPACE_NOT_FOUND', 'vm', 'workspace', 'diff', 'web'), /--at: .*\/root\/side/);
    await refuse('WORKSPACE_NOT_FOUND', 'vm', 'workspace', 'diff', 'web', '--at', '/root/none');
  });

  await t.test('50,000 files', async () => {
    const large = make('large');
    for (let at = 0; at < 50_000; at++) large.write(`d${at % 250}/file${at}.txt`, `${at}\n`);
    large.commit('many');
    assert.equal((await bring(large.path)).files, 50_005);
    writeFileSync(inside('root/large/d1/file1.txt'), 'changed\n');
    assert.equal((await exportBranch('back', '--at', '/root/large')).files, 1);
  });
});
