import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { newBudget, readHomeFiles } from './read-home-files.ts';

function makeHome(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-sync-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const home = join(folder, 'home');
  mkdirSync(home);
  const read = (from: string, mode: number | null = null) =>
    readHomeFiles({ home, from: join(home, from), to: 'root/x', mode }, newBudget());
  const refuses = (from: string, message: RegExp) => assert.rejects(read(from), { code: 'FILE_SYNC_REFUSED', message });
  return { folder, home, read, refuses };
}

test('a file comes with its own mode, without setuid, or with the one that is said', async (t) => {
  const { home, read } = makeHome(t);
  writeFileSync(join(home, '.gitconfig'), '[user]');
  chmodSync(join(home, '.gitconfig'), 0o4640);
  assert.deepEqual(await read('.gitconfig'), [
    { is: 'file', path: 'root/x', mode: 0o640, content: Buffer.from('[user]') },
  ]);
  assert.equal((await read('.gitconfig', 0o600))?.[0]?.mode, 0o600);
  assert.equal(await read('no-such-file'), null);
});

test('a folder comes with what is in it, and links within the home are followed', async (t) => {
  const { home, read } = makeHome(t);
  mkdirSync(join(home, 'dotfiles/vim/colors'), { recursive: true });
  writeFileSync(join(home, 'dotfiles/vim/colors/a'), 'a');
  writeFileSync(join(home, 'dotfiles/rc'), 'rc');
  symlinkSync('../rc', join(home, 'dotfiles/vim/vimrc'));
  symlinkSync('nothing', join(home, 'dotfiles/vim/dangling'));
  symlinkSync('dotfiles/vim', join(home, '.vim'));
  const entries = (await read('.vim', 0o600)) ?? [];
  assert.deepEqual(
    entries.map(({ is, path, mode }) => [is, path, mode.toString(8)]),
    [
      ['folder', 'root/x', '700'],
      ['folder', 'root/x/colors', '700'],
      ['file', 'root/x/colors/a', '600'],
      ['file', 'root/x/vimrc', '600'],
    ],
  );
});

test('names that are not UTF-8 come with their bytes, and those that look alike stay apart', async (t) => {
  const { home, read } = makeHome(t);
  mkdirSync(join(home, 'tools'));
  const place = (byte: number) => Buffer.concat([Buffer.from(join(home, 'tools/odd')), Buffer.of(byte)]);
  writeFileSync(place(0xff), 'one');
  writeFileSync(place(0xfe), 'two');
  symlinkSync(place(0xff), join(home, 'tools/link'));
  const entries = (await read('tools')) ?? [];
  assert.deepEqual(
    entries.map((entry) => [entry.path, entry.is === 'file' ? String(entry.content) : '']),
    [
      ['root/x', ''],
      ['root/x/link', 'one'],
      ['root/x/odd\udcfe', 'two'],
      ['root/x/odd\udcff', 'one'],
    ],
  );
});

test('what is outside the home is refused, however it is named', async (t) => {
  const { folder, home, refuses } = makeHome(t);
  writeFileSync(join(folder, 'secret'), 'secret');
  mkdirSync(join(folder, 'home-of-another'));
  await refuses('../secret', /not in your home/);
  await refuses('../home-of-another', /not in your home/);
  await refuses('.', /not in your home/);
  symlinkSync(join(folder, 'secret'), join(home, 'link'));
  await refuses('link', /links to .*secret, which is not in your home/);
  symlinkSync(folder, join(home, 'up'));
  await refuses('up/secret', /not in your home/);
  mkdirSync(join(home, 'deep'));
  symlinkSync('../../secret', join(home, 'deep/link'));
  await refuses('deep', /deep\/link: it links to/);
  symlinkSync('..', join(home, 'deep/around'));
  rmSync(join(home, 'deep/link'));
  await refuses('deep', /not in your home|around it/);
  symlinkSync('loop', join(home, 'loop'));
  await refuses('loop', /circle/);
});

test('sockets, pipes and devices are refused without being opened', async (t) => {
  const { home, refuses } = makeHome(t);
  execFileSync('mkfifo', [join(home, 'pipe')]);
  await refuses('pipe', /socket, a pipe or a device/);
  const server = createServer().listen(join(home, 'sock'));
  await once(server, 'listening');
  await refuses('sock', /socket, a pipe or a device/);
  server.close();
});

test('what is too large or too many is refused before it is read', async (t) => {
  const { home, refuses } = makeHome(t);
  writeFileSync(join(home, 'large'), '');
  truncateSync(join(home, 'large'), 2 ** 40);
  await refuses('large', /more than 16M/);
  mkdirSync(join(home, 'many'));
  for (let each = 0; each < 2001; each++) writeFileSync(join(home, 'many', String(each)), '');
  await refuses('many', /more than 2000 files/);
});
