import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openRegularFile, readRegularFile } from './regular-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'banger-regular-'));
const at = (name: string) => join(folder, name);
const refuse = (why: string) => new Error(`refused: ${why}`);
const server = createServer().listen(at('socket'));
execFileSync('mkfifo', [at('fifo')]);
symlinkSync('fifo', at('link-to-fifo'));
symlinkSync('loop', at('loop'));
writeFileSync(at('file'), 'content');
symlinkSync('file', at('link'));
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

for (const [name, kind] of [
  ['fifo', 'FIFO'],
  ['link-to-fifo', 'FIFO'],
  ['socket', 'socket'],
  ['/dev/zero', 'device'],
  ['.', 'folder'],
] as const) {
  test(`not a file, and never waited for: ${name}`, async () => {
    const path = name.startsWith('/') ? name : at(name);
    const expected = { message: `refused: ${path} is a ${kind}, not a file` };
    // More at once than Node has threads for files
    await Promise.all(Array.from({ length: 8 }, () => assert.rejects(openRegularFile(path, refuse), expected)));
    await assert.rejects(readRegularFile(path, 10, refuse), expected);
  });
}

test('what cannot be opened is told by its path', async () => {
  for (const name of ['nothing', 'loop', 'file/below']) {
    await assert.rejects(openRegularFile(at(name), refuse), { code: 'FILE_NOT_FOUND', message: new RegExp(at(name)) });
  }
});

test('a file is read up to its bound, through a link too, whatever size it says that it has', async () => {
  assert.equal(String(await readRegularFile(at('file'), 7, refuse)), 'content');
  assert.equal(String(await readRegularFile(at('link'), 7, refuse)), 'content');
  assert.match(String(await readRegularFile('/proc/self/status', 65_536, refuse)), /^Name:/);
  await assert.rejects(readRegularFile(at('file'), 6, refuse), { message: /is larger than/ });
  await assert.rejects(readRegularFile('/proc/self/status', 5, refuse), { message: /is larger than/ });
});
