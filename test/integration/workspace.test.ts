/** A repository goes into a guest and its changes come back, on the fake hypervisor with the real git. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, readlinkSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WorkspacePlan } from '@banger/contract/api/workspaces.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { createRepository } from '../support/sample-repository.ts';
import { createWorkspaceHome } from '../support/workspace-home.ts';

test('a command runs in the repository, and its exit code comes back', async (t) => {
  const home = await createFakeHome(t);
  const repo = createRepository(join(home.folder, 'project'));
  const output = await home.run(['vm', 'run', '--rm', repo.path, '--', 'sh', '-c', 'make test; pwd; exit 7']);
  assert.match(output.stdout, /^tested\n[\s\S]*\/root\/project\n$/, output.stderr);
  assert.equal(output.code, 7);
  const missing = await home.run(['vm', 'run', '--rm', 'ls']);
  assert.match(missing.stderr, /FILE_NOT_FOUND[\s\S]*comes after "--"/);
  assert.match((await home.run(['vm', 'run', '--full', '--', 'ls'])).stderr, /--full needs a repository/);
  assert.deepEqual(await home.leftovers(), []);
});

test('the guest has the same commit, branch, files and uncommitted changes', async (t) => {
  const { home, repo, inside, read, has, guestGit, bring } = await createWorkspaceHome(t);
  repo.write('src/a file.txt', 'one\ntwo\nthree\n');
  repo.write('untracked.txt', 'only when asked for');
  repo.write('build/out.o', 'ignored');
  rmSync(join(repo.path, 'Makefile'));
  const before = repo.state();

  const workspace = await bring(repo.path);
  assert.equal(workspace.path, '/root/project');
  assert.equal(workspace.base, repo.git('rev-parse', 'HEAD'));
  assert.equal(guestGit('root/project', 'rev-parse', 'HEAD'), workspace.base);
  assert.equal(guestGit('root/project', 'branch', '--show-current'), 'trunk');
  assert.equal(guestGit('root/project', 'status', '--porcelain'), 'D Makefile\n M "src/a file.txt"');
  assert.equal(guestGit('root/project', 'rev-list', '--count', 'HEAD'), '1', 'shallow');
  guestGit('root/project', 'fsck', '--strict');
  assert.equal(read('root/project/src/a file.txt'), 'one\ntwo\nthree\n');
  assert.equal(readlinkSync(inside('root/project/link')), 'tool.sh');
  assert.equal(statSync(inside('root/project/tool.sh')).mode & 0o111, 0o111);
  assert.ok(!has('root/project/untracked.txt') && !has('root/project/build'));

  const plan = await home.json<WorkspacePlan>(['vm', 'workspace', 'import', 'web', repo.path, '--dry-run']);
  assert.deepEqual(plan.entries?.map(({ path }) => path).sort(), ['.gitignore', 'link', 'src/a file.txt', 'tool.sh']);
  assert.equal(plan.changed, 2);
  assert.match(plan.notes.join(), /not track them \(--include-untracked brings them\): untracked\.txt/);

  writeFileSync(join(home.folder, 'home/ignored-everywhere'), '*.swp\n');
  writeFileSync(
    join(home.folder, 'home/.gitconfig'),
    `[core]\n\texcludesFile = ${home.folder}/home/ignored-everywhere\n`,
  );
  repo.write('notes.swp', 'ignored by the owner everywhere');
  await bring(repo.path, '--at', '/root/more', '--include-untracked', '--full');
  assert.ok(has('root/more/untracked.txt') && !has('root/more/build') && !has('root/more/notes.swp'));
  assert.equal(guestGit('root/more', 'rev-list', '--count', 'HEAD'), '2', 'full');

  repo.git('tag', 'v1', 'HEAD~1');
  await bring(repo.path, '--at', '/root/old', '--ref', 'v1');
  assert.equal(read('root/old/src/a file.txt'), 'one\n');
  rmSync(join(repo.path, 'notes.swp'));
  assert.deepEqual(repo.state(), before, "the owner's repository was only read");
});

test('changes come back as a branch and as a patch, and the files here are not touched', async (t) => {
  const { home, repo, inside, guestGit, bring, refuse, exportBranch } = await createWorkspaceHome(t);
  repo.write('tool.sh', '#!/bin/sh\necho uncommitted\n');
  await bring(repo.path);
  assert.equal((await exportBranch('nothing')).commit, null);

  writeFileSync(inside('root/project/src/a file.txt'), 'from the guest\n');
  guestGit('root/project', 'commit', '-q', '-m', 'guest: first', '--', 'src/a file.txt');
  writeFileSync(inside('root/project/new\nname.txt'), 'new\n');
  writeFileSync(inside('root/project/x.secret'), 'ignored');
  const before = repo.state();

  const { stdout } = await home.run(['vm', 'workspace', 'diff', 'web']);
  assert.match(stdout, /^\+from the guest$/m);
  assert.match(stdout, /new\\nname\.txt/);
  assert.doesNotMatch(stdout, /uncommitted|secret/);

  const made = await exportBranch('from-web');
  assert.equal(made.commits, 2);
  assert.equal(repo.git('log', '--format=%s', 'trunk..from-web'), 'Changes in the vm web\nguest: first');
  assert.equal(repo.git('show', 'from-web:src/a file.txt'), 'from the guest');
  assert.deepEqual(repo.state(), before);
  await refuse('BRANCH_EXISTS', 'vm', 'workspace', 'export', 'web', '--branch', 'from-web');
  await refuse('BRANCH_EXISTS', 'vm', 'workspace', 'export', 'web', '--force', '--branch', 'trunk');
  await exportBranch('from-web', '--force');

  const patch = join(home.folder, 'changes.patch');
  await home.json(['vm', 'workspace', 'export', 'web', '--patch', patch]);
  await refuse('FILE_EXISTS', 'vm', 'workspace', 'export', 'web', '--patch', patch);
  repo.git('apply', '--check', patch);
  assert.deepEqual(repo.state(), before);
});

test('bringing it in again updates it, and never overwrites changes silently', async (t) => {
  const { repo, inside, read, has, guestGit, bring, refuse } = await createWorkspaceHome(t);
  const again = ['vm', 'workspace', 'import', 'web', repo.path];
  await bring(repo.path);
  writeFileSync(inside('root/project/kept.secret'), 'what git ignores stays');
  repo.write('added.txt', 'added\n');
  rmSync(join(repo.path, 'Makefile'));
  const next = repo.commit('third');
  await bring(repo.path);
  assert.equal(guestGit('root/project', 'rev-parse', 'HEAD'), next);
  assert.equal(guestGit('root/project', 'status', '--porcelain'), '');
  assert.ok(has('root/project/added.txt') && has('root/project/kept.secret') && !has('root/project/Makefile'));

  writeFileSync(inside('root/project/mine.txt'), 'new in the guest');
  assert.match(await refuse('WORKSPACE_CHANGED', ...again), /--force/);
  rmSync(inside('root/project/mine.txt'));
  guestGit('root/project', 'commit', '-q', '--allow-empty', '-m', 'a commit in the guest');
  await refuse('WORKSPACE_CHANGED', ...again);
  assert.equal(read('root/project/added.txt'), 'added\n');
  await bring(repo.path, '--force');
  assert.equal(guestGit('root/project', 'rev-parse', 'HEAD'), next);
  await refuse('BAD_REQUEST', 'vm', 'workspace', 'import', 'web', repo.path, '--at', '/etc');
});

test('nothing of the owner goes in but the files, and nothing that a config names is run', async (t) => {
  const { home, repo, root, bring, inside, exportBranch } = await createWorkspaceHome(t);
  const canary = 'CANARY-7f3a';
  const ran = join(home.folder, 'ran');
  const touch = `touch ${ran}; cat #`;
  repo.git('config', 'remote.origin.url', `https://user:${canary}@example.org/x.git`);
  repo.git('config', 'http.extraHeader', `Authorization: ${canary}`);
  for (const key of [
    'core.fsmonitor',
    'filter.x.clean',
    'filter.x.smudge',
    'diff.external',
    'credential.helper',
    'core.sshCommand',
    'core.pager',
    'gpg.program',
    'core.alternateRefsCommand',
  ]) {
    repo.git('config', key, touch);
  }
  repo.git('config', 'commit.gpgSign', 'true');
  for (const hook of ['post-index-change', 'reference-transaction', 'pre-commit', 'post-checkout', 'pre-auto-gc']) {
    repo.write(`.git/hooks/${hook}`, `#!/bin/sh\n# ${canary}\ntouch ${ran}\n`);
    chmodSync(join(repo.path, '.git/hooks', hook), 0o755);
  }
  repo.write('.git/description', canary);
  repo.write('ignored.secret', canary);
  repo.write('src/a file.txt', 'changed\n');
  await bring(repo.path, '--full');
  writeFileSync(inside('root/project/src/a file.txt'), 'changed in the guest\n');
  await exportBranch('back');
  await home.run(['vm', 'workspace', 'diff', 'web']);
  assert.ok(!lstatSync(ran, { throwIfNoEntry: false }), 'a program that the config names was run');
  const found = await home.run(['vm', 'exec', 'web', '--', 'grep', '-r', canary, root]);
  assert.equal(found.stdout, '');
});

test('a command starts in the folder that was named, when that one travels', async (t) => {
  const home = await createFakeHome(t);
  const repo = createRepository(join(home.folder, 'project'));
  repo.write('empty/build/out', 'ignored');
  const pwd = async (folder: string, ...flags: string[]) => {
    const { stdout, stderr } = await home.run(['vm', 'run', '--rm', folder, ...flags, '--', 'sh', '-c', 'pwd']);
    assert.match(stdout, /fake-root/, stderr);
    return stdout.trim().replace(/^.*fake-root/, '');
  };
  assert.equal(await pwd(join(repo.path, 'src')), '/root/project/src');
  assert.equal(await pwd(join(repo.path, 'src'), '--at', '/root/else'), '/root/else/src');
  assert.equal(await pwd(join(repo.path, 'empty/build')), '/root/project');
  assert.equal(await pwd(repo.path), '/root/project');
});

test('a repository that was moved is told as that, and found again by --repo', async (t) => {
  const { home, repo, inside, bring, refuse } = await createWorkspaceHome(t);
  await bring(repo.path);
  writeFileSync(inside('root/project/Makefile'), 'changed\n');
  const moved = join(home.folder, 'moved');
  renameSync(repo.path, moved);
  const branch = ['vm', 'workspace', 'export', 'web', '--branch', 'back'];
  for (const words of [branch, ['vm', 'workspace', 'diff', 'web']]) {
    const told = await refuse('REPO_INVALID', ...words);
    assert.match(told, /was at .*\/project[\s\S]*does not exist[\s\S]*--repo/);
  }
  const diff = await home.run(['vm', 'workspace', 'diff', 'web', '--repo', moved]);
  assert.match(diff.stdout, /^\+changed$/m, diff.stderr);
  await home.json([...branch, '--repo', moved]);
  assert.equal(execFileSync('git', ['show', 'back:Makefile'], { cwd: moved, encoding: 'utf8' }), 'changed\n');

  const other = createRepository(join(home.folder, 'other'), { isEmpty: true });
  await refuse('REPO_INVALID', ...branch, '--repo', other.path);
  assert.match(
    await refuse('REPO_INVALID', 'vm', 'workspace', 'import', 'web', join(moved, 'Makefile')),
    /not a folder/,
  );
});
