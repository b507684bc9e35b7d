/** A repository goes into a guest. The fake guest's files are a folder of the host, so each can be looked at. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Workspace } from '@banger/contract/api/workspaces.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { createRepository } from '../support/sample-repository.ts';

async function setUp(t: TestContext, options: { isEmpty?: boolean } = {}) {
  const home = await createFakeHome(t);
  const repo = createRepository(join(home.folder, 'project'), options);
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  const [id = ''] = readdirSync(join(home.paths.data, 'vms'));
  const inside = (path: string) => join(home.paths.data, 'vms', id, 'fake-root', path);
  const guestGit = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: inside('root/project'),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  const bring = (...flags: string[]) => home.json<Workspace>(['vm', 'workspace', 'import', 'web', repo.path, ...flags]);
  return { home, repo, inside, guestGit, bring };
}

test('a command runs in the repository, and its exit code comes back', async (t) => {
  const home = await createFakeHome(t);
  const repo = createRepository(join(home.folder, 'project'));
  const output = await home.run(['vm', 'run', '--rm', repo.path, '--', 'make', 'test']);
  assert.equal(output.stdout, 'tested\n', output.stderr);
  assert.equal(output.code, 2, 'what make says when a recipe fails');
});

test('the guest has the same commit, branch, files and uncommitted changes', async (t) => {
  const { repo, inside, guestGit, bring } = await setUp(t);
  repo.write('src/a file.txt', 'one\ntwo\nthree\n');
  repo.write('untracked.txt', 'not asked for');
  repo.write('build/out.o', 'ignored');
  const before = repo.state();
  const workspace = await bring();
  assert.equal(workspace.path, '/root/project');
  assert.equal(workspace.base, repo.git('rev-parse', 'HEAD'));
  assert.equal(guestGit('rev-parse', 'HEAD'), workspace.base);
  assert.equal(guestGit('branch', '--show-current'), 'trunk');
  assert.equal(guestGit('status', '--porcelain'), 'M "src/a file.txt"');
  assert.equal(guestGit('rev-list', '--count', 'HEAD'), '1', 'shallow');
  guestGit('fsck', '--strict');
  assert.equal(readFileSync(inside('root/project/src/a file.txt'), 'utf8'), 'one\ntwo\nthree\n');
  assert.equal(readlinkSync(inside('root/project/link')), 'tool.sh');
  assert.equal(statSync(inside('root/project/tool.sh')).mode & 0o111, 0o111);
  assert.ok(!existsSync(inside('root/project/untracked.txt')));
  assert.ok(!existsSync(inside('root/project/build')));
  assert.deepEqual(repo.state(), before, 'the owner repository was only read');
});
