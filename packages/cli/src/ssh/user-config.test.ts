import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as files from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { installInclude, uninstallInclude } from './user-config.ts';

const INCLUDE = 'Include "/x/config"';
const OWNER = { uid: process.getuid?.() ?? 0, files };

test('a file that was there keeps its mode, and has its bytes back afterwards', async (t) => {
  const path = join(await folder(t), 'config');
  await writeFile(path, 'Host *', { mode: 0o640 });
  assert.equal(await installInclude(path, INCLUDE, OWNER), true);
  assert.equal(await installInclude(path, INCLUDE, OWNER), false);
  assert.match(await readFile(path, 'utf8'), /^# >>> banger .*\nInclude "\/x\/config"\n.*\nHost \*$/);
  assert.equal((await stat(path)).mode & 0o777, 0o640);
  assert.equal(await uninstallInclude(path, OWNER), true);
  assert.equal(await uninstallInclude(path, OWNER), false);
  assert.equal(await readFile(path, 'utf8'), 'Host *');
  assert.equal((await stat(path)).mode & 0o777, 0o640);
});

test('a folder and a file that are made are private, and go again', async (t) => {
  const home = await folder(t);
  const path = join(home, '.ssh/config');
  await installInclude(path, INCLUDE, OWNER);
  assert.equal((await stat(join(home, '.ssh'))).mode & 0o777, 0o700);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await uninstallInclude(path, OWNER);
  assert.deepEqual(await readdir(home), []);
});

test('a folder that was there stays, and so does an empty file', async (t) => {
  const home = await folder(t);
  await mkdir(join(home, '.ssh'));
  const path = join(home, '.ssh/config');
  await installInclude(path, INCLUDE, OWNER);
  await uninstallInclude(path, OWNER);
  assert.deepEqual(await readdir(join(home, '.ssh')), []);
  await writeFile(path, '');
  await installInclude(path, INCLUDE, OWNER);
  await uninstallInclude(path, OWNER);
  assert.deepEqual(await readdir(join(home, '.ssh')), ['config']);
});

test('what the user added to a file that was made for banger stays', async (t) => {
  const path = join(await folder(t), 'config');
  await installInclude(path, INCLUDE, OWNER);
  await writeFile(path, `${await readFile(path, 'utf8')}Host a\n`);
  await uninstallInclude(path, OWNER);
  assert.equal(await readFile(path, 'utf8'), 'Host a\n');
});

test('a link stays a link: what it leads to is edited; one that leads nowhere is refused', async (t) => {
  const home = await folder(t);
  const path = join(home, 'config');
  await writeFile(join(home, 'dotfile'), 'Host *\n');
  await symlink('dotfile', path);
  await installInclude(path, INCLUDE, OWNER);
  assert.ok((await lstat(path)).isSymbolicLink());
  assert.match(await readFile(join(home, 'dotfile'), 'utf8'), /Include/);
  await rm(join(home, 'dotfile'));
  await assert.rejects(installInclude(path, INCLUDE, OWNER), { code: 'FILE_NOT_FOUND' });
});

test('a config in a folder that somebody else can change is neither read nor written', async (t) => {
  const home = await folder(t);
  const path = join(home, '.ssh/config');
  await installInclude(path, INCLUDE, OWNER);
  const before = await readFile(path);
  await chmod(join(home, '.ssh'), 0o777);
  await assert.rejects(installInclude(path, 'Include "/y"', OWNER), { code: 'FOLDER_UNSAFE' });
  await assert.rejects(uninstallInclude(path, OWNER), { code: 'FOLDER_UNSAFE' });
  assert.deepEqual(await readFile(path), before);
});

test('what lies where the new file is made is never written through', async (t) => {
  const home = await folder(t);
  const path = join(home, 'config');
  await writeFile(path, 'Host *\n');
  await writeFile(join(home, 'other'), 'as it was');
  await symlink('other', `${path}.banger-new`);
  await installInclude(path, INCLUDE, OWNER);
  assert.equal(await readFile(join(home, 'other'), 'utf8'), 'as it was');
  assert.ok((await lstat(path)).isFile());
});

test('a pipe in place of the config is refused', async (t) => {
  const path = join(await folder(t), 'config');
  execFileSync('mkfifo', [path]);
  await assert.rejects(installInclude(path, INCLUDE, OWNER), { code: 'FILE_NOT_FOUND', message: /it is not a file/ });
});

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'banger-ssh-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}
