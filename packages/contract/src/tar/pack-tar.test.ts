import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { type PackedEntry, packTar } from './pack-tar.ts';

test('tar reads it: names, modes, owner, sizes and content, long names too', () => {
  const path = `root/${'long-name/'.repeat(30)}file`;
  const entries: PackedEntry[] = [
    { is: 'folder', path: 'run/sshd', mode: 0o755 },
    { is: 'file', path: 'etc/key', mode: 0o600, content: Buffer.alloc(513, 'x') },
    { is: 'file', path: 'etc/empty', mode: 0o644, content: Buffer.alloc(0) },
    { is: 'file', path, mode: 0o640, content: Buffer.from('hello') },
  ];
  const input = packTar(entries, new Date(0));
  assert.equal(input.length % 512, 0);
  const listed = execFileSync('tar', ['-tvf', '-', '--numeric-owner'], { input, encoding: 'utf8' });
  const seen = listed
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/))
    .map(([mode, owner, size, , , name]) => [mode, owner, size, name]);
  assert.deepEqual(seen, [
    ['drwxr-xr-x', '0/0', '0', 'run/sshd/'],
    ['-rw-------', '0/0', '513', 'etc/key'],
    ['-rw-r--r--', '0/0', '0', 'etc/empty'],
    ['-rw-r-----', '0/0', '5', path],
  ]);
  assert.equal(execFileSync('tar', ['-xOf', '-', path], { input, encoding: 'utf8' }), 'hello');
});
