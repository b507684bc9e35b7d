import assert from 'node:assert/strict';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { installInclude, uninstallInclude } from './user-config.ts';

const INCLUDE = 'Include "/x/config"';

test('a file that was there keeps its mode, and has its bytes back afterwards', async (t) => {
  const path = join(await folder(t), 'config');
  await writeFile(path, 'Host *', { mode: 0o640 });
  assert.equal(await installInclude(path, INCLUDE), true);
  assert.equal(await installInclude(path, INCLUDE), false);
  assert.match(await readFile(path, 'utf8'), /^# >>> banger .*\nInclude "\/x\/config"\n.*\nHost \*$/);
  assert.equal((await stat(path)).mode & 0o777, 0o640);
  assert.equal(await uninstallInclude(path), true);
  assert.equal(await uninstallInclude(path), false);
  assert.equal(await readFile(path, 'utf8'), 'Host *');
  assert.equal((await stat(path)).mode & 0o777, 0o640);
});

test('a folder and a file that are made are private, and go again', async (t) => {
  const home = await folder(t);
  const path = join(home, '.ssh/config');
  await installInclude(path, INCLUDE);
  assert.equal((await stat(join(home, '.ssh'))).mode & 0o777, 0o700);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await uninstallInclude(path);
  assert.deepEqual(await readdir(home), []);
});

test('a folder that was there stays, and so does an empty file', async (t) => {
  const home = await folder(t);
  await mkdir(join(home, '.ssh'));
  const path = join(home, '.ssh/config');
  await installInclude(path, INCLUDE);
  await uninstallInclude(path);
  assert.deepEqual(await readdir(join(home, '.ssh')), []);
  await writeFile(path, '');
  await installInclude(path, INCLUDE);
  await uninstallInclude(path);
  assert.deepEqual(await readdir(join(home, '.ssh')), ['config']);
});

test('what the user added to a file that was made for banger stays', async (t) => {
  const path = join(await folder(t), 'config');
  await installInclude(path, INCLUDE);
  await writeFile(path, `${await readFile(path, 'utf8')}Host a\n`);
  await uninstallInclude(path);
  assert.equal(await readFile(path, 'utf8'), 'Host a\n');
});

test('a link stays a link: what it leads to is edited; one that leads nowhere is refused', async (t) => {
  const home = await folder(t);
  const path = join(home, 'config');
  await writeFile(join(home, 'dotfile'), 'Host *\n');
  await symlink('dotfile', path);
  await installInclude(path, INCLUDE);
  assert.ok((await lstat(path)).isSymbolicLink());
  assert.match(await readFile(join(home, 'dotfile'), 'utf8'), /Include/);
  await rm(join(home, 'dotfile'));
  await assert.rejects(installInclude(path, INCLUDE), { code: 'FILE_NOT_FOUND' });
});

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'banger-ssh-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}
