import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { writeTar } from './write-tar.ts';

test('tar reads it: names, modes, owner and sizes', () => {
  const tar = writeTar([
    { name: 'run/sshd/', mode: 0o755 },
    { name: 'etc/key', mode: 0o600, content: Buffer.alloc(513, 'x') },
    { name: 'etc/empty', mode: 0o644 },
  ]);
  assert.equal(tar.length % 512, 0);
  const listed = execFileSync('tar', ['-tvf', '-', '--numeric-owner'], { input: tar, encoding: 'utf8' });
  const seen = listed
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/))
    .map(([mode, owner, size, , , name]) => [mode, owner, size, name]);
  assert.deepEqual(seen, [
    ['drwxr-xr-x', '0/0', '0', 'run/sshd/'],
    ['-rw-------', '0/0', '513', 'etc/key'],
    ['-rw-r--r--', '0/0', '0', 'etc/empty'],
  ]);
});
