/** What the owner's git takes for a file, the guest's does too: a clean repository is clean in there. */
import assert from 'node:assert/strict';
import { chmodSync, lstatSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WorkspacePlan } from '@banger/contract/api/workspaces.ts';
import { createRepository } from '../support/sample-repository.ts';
import { createWorkspaceHome } from '../support/workspace-home.ts';

test('settings of git that decide what a file is hold in the guest too', async (t) => {
  const { home, read, guestGit, bring, exportBranch, inside } = await createWorkspaceHome(t);
  const config = (text: string) => writeFileSync(join(home.folder, 'home/.gitconfig'), text);
  const make = (name: string, ...settings: string[]) =>
    checkOut(createRepository(join(home.folder, name)), ...settings);
  /** As by an owner who has these settings */
  const checkOut = (repo: ReturnType<typeof createRepository>, ...settings: string[]) => {
    const flags = settings.flatMap((each) => ['-c', each]);
    rmSync(join(repo.path, '.git/index'));
    for (const file of ['Makefile', 'tool.sh', 'link', 'src/a file.txt']) rmSync(join(repo.path, file));
    repo.git(...flags, 'checkout', '--force', 'HEAD', '--', '.');
    return repo;
  };
  const expectClean = async (name: string, ...flags: string[]) => {
    const path = join(home.folder, name);
    const plan = await home.json<WorkspacePlan>(['vm', 'workspace', 'import', 'web', path, '--dry-run']);
    assert.equal(plan.changed, 0, 'nothing was changed here');
    await bring(path, ...flags);
    assert.equal(guestGit(`root/${name}`, 'status', '--porcelain'), '', 'nor in the guest');
    assert.equal((await exportBranch('none', '--at', `/root/${name}`)).commit, null);
  };

  const crlf = createRepository(join(home.folder, 'crlf'));

  await t.test('line ends', async () => {
    const repo = checkOut(crlf, 'core.autocrlf=true');
    assert.match(repo.read('tool.sh'), /\r\n/);
    config('[core]\n\tautocrlf = true\n');
    await expectClean('crlf');
    assert.equal(read('root/crlf/tool.sh'), repo.read('tool.sh'));
    writeFileSync(inside('root/crlf/Makefile'), 'test:\r\n\t@echo changed\r\n');
    const { files } = await exportBranch('back', '--at', '/root/crlf');
    assert.equal(files, 1);
    assert.equal(repo.git('show', 'back:Makefile'), 'test:\n\t@echo changed');
  });

  await t.test('and again after the setting is gone', async () => {
    config('');
    const repo = checkOut(crlf);
    assert.doesNotMatch(repo.read('tool.sh'), /\r/);
    const later = new Date(Date.now() + 60_000);
    utimesSync(inside('root/crlf/.git/index'), later, later); // git there need not look into its files again
    await expectClean('crlf', '--force');
    assert.equal(read('root/crlf/tool.sh'), repo.read('tool.sh'));
  });

  await t.test('modes', async () => {
    config('[core]\n\tfileMode = false\n');
    const repo = make('modes');
    repo.git('config', '--unset', 'core.fileMode');
    chmodSync(join(repo.path, 'Makefile'), 0o755);
    await expectClean('modes');
    chmodSync(inside('root/modes/Makefile'), 0o755);
    assert.equal(guestGit('root/modes', 'status', '--porcelain'), '');
  });

  await t.test('links that are kept as text', async () => {
    config('[core]\n\tsymlinks = false\n');
    const repo = make('links', 'core.symlinks=false');
    assert.ok(lstatSync(join(repo.path, 'link')).isFile());
    await expectClean('links');
    assert.equal(read('root/links/link'), 'tool.sh');
  });

  await t.test("attributes of the owner's, and of the repository's info folder", async () => {
    config('');
    const attributes = join(home.folder, 'home/attributes');
    config(`[core]\n\tattributesFile = ${attributes}\n`);
    writeFileSync(attributes, '*.sh text eol=crlf\n');
    const repo = make('attributes', `core.attributesFile=${attributes}`);
    assert.match(repo.read('tool.sh'), /\r\n/);
    await expectClean('attributes');
    assert.equal(read('root/attributes/tool.sh'), repo.read('tool.sh'));

    const own = createRepository(join(home.folder, 'own'));
    own.write('.git/info/attributes', 'Makefile text eol=crlf\n');
    checkOut(own);
    assert.match(own.read('Makefile'), /\r\n/);
    await expectClean('own');
    assert.equal(read('root/own/Makefile'), own.read('Makefile'));
  });
});
