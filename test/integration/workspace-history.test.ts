/** History that is rewritten in a guest comes back in its place, and what is a history of its own is told as that. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createWorkspaceHome } from '../support/workspace-home.ts';

test('what is rewritten in a guest without the older history can be merged', async (t) => {
  const { home, repo, inside, guestGit, bring } = await createWorkspaceHome(t);
  const parent = repo.git('rev-parse', 'trunk~1');
  await bring(repo.path);
  const git = (...args: string[]) => guestGit('root/project', ...args);
  const write = (name: string, text: string) => writeFileSync(inside(`root/project/${name}`), text);
  const commit = (message: string, ...args: string[]) => {
    git('add', '--all');
    git('commit', '--quiet', '-m', message, ...args);
  };
  const bringBack = async (branch: string) => {
    const { stderr, code } = await home.run(['vm', 'workspace', 'export', 'web', '--branch', branch]);
    assert.equal(code, 0, stderr);
    repo.git('fsck', '--strict');
    git('checkout', '--quiet', '--force', '-B', 'trunk', 'refs/banger/base');
    return stderr;
  };
  const rebase = (plan: string) =>
    git('-c', `sequence.editor=${plan}`, '-c', 'core.editor=true', 'rebase', '--quiet', '-i', '--autosquash', '--root');

  await t.test('an amended commit', async () => {
    write('amended', 'x\n');
    commit('second, amended', '--amend');
    assert.match(await bringBack('amended'), /got the parents that it has here/);
    assert.equal(repo.git('log', '--format=%s', 'amended'), 'second, amended\nfirst');
    assert.equal(repo.git('rev-parse', 'amended~1'), parent);
    assert.equal(repo.git('show', '-s', '--format=%an', 'amended'), 'Mia');
    assert.equal(repo.git('diff', '--name-only', 'trunk', 'amended'), 'amended');
    assert.equal(repo.git('merge-tree', '--write-tree', 'trunk', 'amended').length, 40);
  });

  await t.test('an interactive rebase, with what stands on it and what is not committed', async () => {
    write('one', 'x\n');
    commit('one');
    write('two', 'x\n');
    commit('two');
    rebase('sed -i -e "1s/^pick/edit/"');
    git('commit', '--quiet', '--amend', '-m', 'second, reworded');
    git('rebase', '--continue');
    write('three', 'x\n');
    await bringBack('rebased');
    const subjects = 'Changes in the vm web\ntwo\none\nsecond, reworded\nfirst';
    assert.equal(repo.git('log', '--format=%s', 'rebased'), subjects);
    assert.equal(repo.git('merge-base', 'trunk', 'rebased'), parent);
  });

  await t.test('a fixup of the commit that went in', async () => {
    write('fixed', 'x\n');
    git('add', '--all');
    git('commit', '--quiet', '--fixup=HEAD');
    rebase('true');
    await bringBack('fixed');
    assert.equal(repo.git('log', '--format=%s', 'fixed'), 'second\nfirst');
  });

  await t.test('a merge of it with what stands on the commit that went in', async () => {
    git('checkout', '--quiet', '-b', 'other');
    write('other', 'x\n');
    commit('other');
    git('checkout', '--quiet', 'trunk');
    write('mine', 'x\n');
    commit('second, again', '--amend');
    git('merge', '--quiet', '--allow-unrelated-histories', '--no-edit', 'other');
    await bringBack('merged');
    assert.equal(repo.git('rev-list', '--count', '--merges', 'merged'), '1');
    assert.equal(repo.git('merge-base', 'merged^1', 'merged^2'), parent);
    assert.equal(repo.git('merge-base', 'trunk', 'merged'), repo.git('rev-parse', 'trunk'));
  });

  await t.test('ordinary commits keep their ids', async () => {
    write('plain', 'x\n');
    commit('plain');
    const made = git('rev-parse', 'HEAD');
    assert.doesNotMatch(await bringBack('plain'), /parents|history of its own/);
    assert.equal(repo.git('rev-parse', 'plain'), made);
  });

  await t.test('a branch without a past stays one, and that is said', async () => {
    git('checkout', '--quiet', '--orphan', 'pages');
    git('rm', '-rfq', '--cached', '.');
    for (const name of ['Makefile', 'src', 'tool.sh', 'link']) {
      rmSync(inside(`root/project/${name}`), { recursive: true, force: true });
    }
    write('index.html', 'x\n');
    commit('pages');
    const made = git('rev-parse', 'HEAD');
    assert.match(await bringBack('pages'), /begins a history of its own: .*--allow-unrelated-histories/);
    assert.equal(repo.git('rev-parse', 'pages'), made);
  });
});
