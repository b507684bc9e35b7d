/** What a copy keeps, held against what GNU tar makes of the same tree. The rows that differ are in the guide. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { KEPT_LISTING, KEPT_TREE } from '../../../../test/support/kept-tree.ts';
import { packFiles } from './pack-files.ts';
import { unpackFiles } from './unpack-files.ts';

type Folders = { folder: string; sh: (script: string) => string };

function makeTree(t: TestContext): Folders {
  const folder = mkdtempSync(join(tmpdir(), 'banger-keeps-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const sh = (script: string) => execFileSync('bash', ['-ec', script], { cwd: folder, encoding: 'latin1' });
  sh(`${KEPT_TREE}; mkdir ours theirs`);
  return { folder, sh };
}

function listing(sh: Folders['sh'], folder: string): string {
  return sh(`cd ${folder}; ${KEPT_LISTING}`);
}

const count = () => ({ files: 0, bytes: 0, skipped: 0 });

test('what goes in is what GNU tar would bring', async (t) => {
  const { folder, sh } = makeTree(t);
  const tar = packFiles({ path: join(folder, 'tree'), name: 'tree', count: count() });
  const whole = Buffer.concat(await Array.fromAsync(tar));
  execFileSync('tar', ['--warning=no-timestamp', '-C', join(folder, 'ours'), '-xpf', '-'], { input: whole });
  sh('tar --format=posix --sparse -cf - tree | tar --warning=no-timestamp -C theirs -xpf -');
  assert.equal(listing(sh, 'ours/tree'), listing(sh, 'theirs/tree'));
});

test('what comes out is what GNU tar would bring', async (t) => {
  const { folder, sh } = makeTree(t);
  sh('tar --format=posix --sparse -cf whole.tar tree; tar --warning=no-timestamp -C theirs -xpf whole.tar');
  const parts = { folder: join(folder, 'ours'), base: 'tree', name: 'tree', count: count() };
  await unpackFiles(createReadStream(join(folder, 'whole.tar')), parts);
  assert.equal(listing(sh, 'ours/tree'), listing(sh, 'theirs/tree'));
});

test('a folder that is there keeps its mode', async (t) => {
  const { folder, sh } = makeTree(t);
  sh('mkdir -m 1777 ours/tree; chmod 700 tree; tar --format=posix -cf whole.tar tree');
  const parts = { folder: join(folder, 'ours'), base: 'tree', name: 'tree', count: count() };
  await unpackFiles(createReadStream(join(folder, 'whole.tar')), parts);
  assert.equal(sh('stat -c %a ours/tree').trim(), '1777');
});

test('pipes go in, sockets and devices do not and are counted', async (t) => {
  const { folder, sh } = makeTree(t);
  sh('mkfifo tree/pipe');
  const server = createServer().listen(join(folder, 'tree/socket'));
  t.after(() => server.close());
  await once(server, 'listening');
  const counted = count();
  const tar = packFiles({ path: join(folder, 'tree'), name: 'tree', count: counted });
  const listed = execFileSync('tar', ['-tv'], { input: Buffer.concat(await Array.fromAsync(tar)), encoding: 'latin1' });
  assert.match(listed, /^p.* tree\/pipe$/m);
  assert.doesNotMatch(listed, /socket/);
  assert.equal(counted.skipped, 1);
});

test('a file that becomes shorter while it is read ends the copy, with its name', async (t) => {
  const { folder } = makeTree(t);
  writeFileSync(join(folder, 'shrinking'), Buffer.alloc(4 * 2 ** 20, 'x'));
  const packing = async () => {
    for await (const _ of packFiles({ path: join(folder, 'shrinking'), name: 's', count: count() })) {
      writeFileSync(join(folder, 'shrinking'), 'short');
    }
  };
  await assert.rejects(packing(), { code: 'FILE_NOT_FOUND', message: /shrinking: it became shorter/ });
});

test('a copy that is cut leaves the old file as it was, wherever it is cut', async (t) => {
  const { folder, sh } = makeTree(t);
  sh('mkdir ours/tree; echo old >ours/tree/large; tar --format=posix --sparse -cf - tree/large >whole.tar');
  const whole = execFileSync('cat', [join(folder, 'whole.tar')], { maxBuffer: 1e8 });
  const end = whole.length - 10_240 + 512;
  for (const at of [0, 100, 1024, 1536, 100_000, 300_000, Math.min(end, 301_600)]) {
    const stream = Readable.from([whole.subarray(0, at)]);
    const parts = { folder: join(folder, 'ours'), base: 'tree', name: 'tree', count: count() };
    await assert.rejects(unpackFiles(stream, parts), { code: 'AGENT_PROTOCOL' });
    assert.equal(sh('cat ours/tree/*; ls -A ours ours/tree'), 'old\nours:\ntree\n\nours/tree:\nlarge\n');
  }
});

test('what a killed copy left goes with the next one, and what another still writes stays', async (t) => {
  const { folder, sh } = makeTree(t);
  const world = sh(
    `printf '%s-%s' "$(cut -c1-8 /proc/sys/kernel/random/boot_id)" "$(readlink /proc/self/ns/pid | tr -dc 0-9)"`,
  );
  const start = sh(`sed 's/.*) //' /proc/${process.pid}/stat | cut -d' ' -f20`).trim();
  const dead = [`${world}-${process.pid}-1-0`, `${world}-4194999-77-3`].map((id) => `.banger-copy-${id}`);
  const alive = [`${world}-${process.pid}-${start}-99`, '00000000-1-1-1-1', 'notes'].map((id) => `.banger-copy-${id}`);
  mkdirSync(join(folder, 'ours/tree'));
  for (const name of [...dead, ...alive]) writeFileSync(join(folder, 'ours/tree', name), '');
  sh('tar --format=posix -cf whole.tar tree/run');
  const parts = { folder: join(folder, 'ours'), base: 'tree', name: 'tree', count: count() };
  await unpackFiles(createReadStream(join(folder, 'whole.tar')), parts);
  assert.deepEqual(sh('ls -A ours/tree').trim().split('\n').sort(), [...alive, 'run'].sort());
});
