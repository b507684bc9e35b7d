import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Task } from '../platform/task.ts';
import { makeKeyPair, parsePublicKey, readPublicKey } from './keys.ts';

const task = Task.background();

test('a key pair is made once, is private, and is made again when half of it is missing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'banger-keys-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'id');
  await writeFile(`${path}.partial`, 'left by a daemon that died');
  await makeKeyPair(task, path, 'banger');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const { line } = await readPublicKey(path);
  assert.match(line, /^ssh-ed25519 \S+$/);
  await makeKeyPair(task, path, 'banger');
  assert.deepEqual(await readPublicKey(`${path}.pub`), { line });
  await rm(`${path}.pub`);
  await makeKeyPair(task, path, 'banger');
  assert.notEqual((await readPublicKey(path)).line, line);
  assert.deepEqual((await readdir(folder)).sort(), ['id', 'id.pub']);
  assert.match(await readFile(`${path}.pub`, 'utf8'), / banger\n$/);
});

test('of a public key only algorithm and key are taken', () => {
  assert.equal(parsePublicKey('ssh-ed25519 AAAA me@home and more\n').line, 'ssh-ed25519 AAAA');
  assert.equal(parsePublicKey('sk-ssh-ed25519@openssh.com AAAA=').line, 'sk-ssh-ed25519@openssh.com AAAA=');
  for (const text of ['', 'ssh-ed25519', 'command="x" ssh-ed25519 AAAA', '-----BEGIN OPENSSH PRIVATE KEY-----\nb3']) {
    assert.throws(() => parsePublicKey(text), /not a public key/, text);
  }
});
