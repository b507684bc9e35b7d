/** Story: this repository in a fresh machine, a command in it, and the work comes back as a branch. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Workspace, WorkspaceExport } from '@banger/contract/api/workspaces.ts';
import { createHome } from '../support/banger-home.ts';
import { createRepository } from '../support/sample-repository.ts';

const CANARY = 'CANARY-5d1e';

test('a repository goes in, is worked on, and comes back', async (t) => {
  const home = await createHome(t);
  const repo = createRepository(join(home.folder, 'project'));
  repo.write('src/a file.txt', 'one\ntwo\nuncommitted\n');
  repo.write('ignored.secret', CANARY);
  repo.git('config', 'remote.origin.url', `https://user:${CANARY}@example.org/x.git`);
  repo.write('.git/hooks/post-checkout', `#!/bin/sh\necho ${CANARY}\n`);
  chmodSync(join(repo.path, '.git/hooks/post-checkout'), 0o755);
  const before = repo.state();
  const guest = (script: string) => home.run(['vm', 'exec', 'web', '--cwd', '/root/project', '--', 'sh', '-c', script]);

  await t.test('the command runs in it, and its exit code comes back', async () => {
    const script = 'pwd; cat "src/a file.txt"; ./tool.sh; git status --porcelain; exit 3';
    const output = await home.run(['vm', 'run', '--name', 'web', repo.path, '--', 'sh', '-c', script]);
    assert.equal(output.stdout, '/root/project\none\ntwo\nuncommitted\ntool\n M "src/a file.txt"\n', output.stderr);
    assert.equal(output.code, 3);
  });

  await t.test('nothing secret went in', async () => {
    const found = await guest(`grep -rl ${CANARY} /root /etc /tmp /var/tmp /run --exclude-dir=proc; true`);
    assert.equal(found.stdout, '', found.stderr);
  });

  await t.test('a commit in there needs no setting up; diff shows what is new', async () => {
    const script =
      'echo guest >> Makefile && git commit -q -m "in the guest" Makefile && echo x > "new file" && git log -1 --format=%ae';
    const committed = await guest(script);
    assert.equal(committed.stdout, 'root@web.vm\n', committed.stderr);
    const { stdout } = await home.run(['vm', 'workspace', 'diff', 'web']);
    assert.match(stdout, /^\+guest$/m);
    assert.match(stdout, /new file/);
    assert.doesNotMatch(stdout, /uncommitted/);
  });

  await t.test('it comes back as a branch, and the files here are not touched', async () => {
    const made = await home.json<WorkspaceExport>(['vm', 'workspace', 'export', 'web', '--branch', 'from-web']);
    assert.equal(made.commits, 2);
    assert.equal(repo.git('log', '--format=%s', 'trunk..from-web'), 'Changes in the vm web\nin the guest');
    assert.equal(repo.git('show', 'from-web:new file'), 'x');
    repo.git('fsck', '--strict');
    assert.deepEqual(repo.state(), before);
  });

  await t.test('bringing it in again is refused while there are changes, and updates it when forced', async () => {
    const refused = await home.run(['vm', 'workspace', 'import', 'web', repo.path]);
    assert.match(refused.stderr, /WORKSPACE_CHANGED/);
    const workspace = await home.json<Workspace>(['vm', 'workspace', 'import', 'web', repo.path, '--force', '--full']);
    const { stdout } = await guest('git rev-parse HEAD; git rev-list --count HEAD; ls');
    assert.equal(stdout, `${workspace.base}\n2\nMakefile\nlink\nsrc\ntool.sh\n`);
  });

  const asDev = (folder: string, script: string) =>
    home.run(['vm', 'exec', 'web', '-u', 'dev', '--cwd', folder, '--', 'sh', '-c', script]);

  await t.test("it is an ordinary user's when one is named, or when it goes into a home", async () => {
    await guest('useradd --create-home dev');
    const workspace = await home.json<Workspace>(['vm', 'workspace', 'import', 'web', repo.path, '--user', 'dev']);
    assert.equal(workspace.path, '/home/dev/project');
    const script =
      'stat -c %U . .git Makefile; git status --porcelain; echo dev >> Makefile; git commit -qm dev Makefile';
    const { stdout, stderr } = await asDev('/home/dev/project', `${script} && git log -1 --format="%an %ae"`);
    assert.equal(stdout, 'dev\ndev\ndev\n M "src/a file.txt"\ndev dev@web.vm\n', stderr);
    const at = ['--at', '/home/dev/project'];
    assert.match((await home.run(['vm', 'workspace', 'diff', 'web', ...at])).stdout, /^\+dev$/m);
    await home.json(['vm', 'workspace', 'export', 'web', '--branch', 'from-dev', ...at]);
    assert.equal(repo.git('log', '--format=%an', 'trunk..from-dev'), 'banger\ndev');

    await home.json(['vm', 'workspace', 'import', 'web', repo.path, '--at', '/home/dev/src/deep']);
    const deep = await asDev('/home/dev/src', 'stat -c %U . deep deep/Makefile; cd deep && git status --porcelain');
    assert.equal(deep.stdout, 'dev\ndev\ndev\n M "src/a file.txt"\n', deep.stderr);
    const nobody = await home.run(['vm', 'workspace', 'import', 'web', repo.path, '--user', 'nosuch']);
    assert.match(nobody.stderr, /no user "nosuch"/);
  });

  await t.test('after chown its changes still come back, and nothing of root is left in it', async () => {
    await guest('chown -R dev /root/project; echo chowned >> Makefile');
    const at = ['--at', '/root/project'];
    const diff = await home.run(['vm', 'workspace', 'diff', 'web', ...at]);
    assert.match(diff.stdout, /^\+chowned$/m, diff.stderr);
    await guest('chmod 711 /root');
    await home.json(['vm', 'workspace', 'export', 'web', '--branch', 'chowned', ...at]);
    assert.equal((await guest('find /root/project -user root; ls -d /tmp/tmp.*')).stdout, '');
  });

  await t.test('vm run -u brings it in for that user', async () => {
    const script = 'id -un; pwd; git status --porcelain; stat -c %U .';
    const output = await home.run(['vm', 'run', '--rm', '-u', 'www-data', repo.path, '--', 'sh', '-c', script]);
    assert.equal(output.stdout, 'www-data\n/var/www/project\n M "src/a file.txt"\nwww-data\n', output.stderr);
  });
});
