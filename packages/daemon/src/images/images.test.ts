import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import { readNames, writeNames } from '../bases/names-file.ts';
import { Task } from '../platform/task.ts';
import { openStore, type Store } from '../store/store.ts';
import type { Images } from './images.ts';
import { createSampleImages } from './sample-images.ts';
import { sampleTar } from './sample-tar.ts';

const task = Task.background();
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex'); // cap_net_raw=ep

const ROOT = sampleTar(
  { name: './', type: '5', mode: 0o777, uid: 1000, gid: 1000 },
  { name: 'bin/', type: '5' },
  { name: 'bin/sh', content: '#!' },
  { name: 'bin/ping', attributes: { 'security.capability': CAPABILITY, 'user.note': Buffer.from('kept') } },
  { name: 'bin/su', mode: 0o4755 },
  { name: 'bin/hard', type: '1', linkName: 'bin/su' },
  { name: 'bin/soft', type: '2', mode: 0o777, linkName: '/etc/../anywhere' },
  { name: 'secret', mode: 0o600, uid: 1234, gid: 2345, content: 'x'.repeat(200_000) },
  { name: 'dev/null', type: '3', mode: 0o666, device: [1, 3] },
  { name: 'dev/sda', type: '4', mode: 0o660, gid: 6, device: [8, 0] },
  { name: 'run/fifo', type: '6', mode: 0o600 },
);

let home: string;
let store: Store;
let images: Images;
let users: string[];
let areVmsKnown: boolean;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'banger-images-'));
  store = openStore(join(home, 'state.sqlite'));
  users = [];
  areVmsKnown = true;
  images = createSampleImages({ home, store, usedBy: () => users, areVmsKnown: () => areVmsKnown });
});

afterEach(() => {
  store.close();
  rmSync(home, { recursive: true });
});

test('an image keeps owners, modes, devices, attributes and file capabilities; its root is root’s', async () => {
  const { digest } = await importBytes('mine', ROOT);
  const base = images.basePath(digest as Digest);
  const lines = execFileSync('rdsquashfs', ['--describe', base], { encoding: 'utf8' }).trim().split('\n').sort();
  assert.deepEqual(lines, [
    'dir bin 0755 0 0',
    'dir dev 0755 0 0',
    'dir run 0755 0 0',
    'file bin/hard 04755 0 0',
    'file bin/ping 0755 0 0',
    'file bin/sh 0755 0 0',
    'file bin/su 04755 0 0',
    'file secret 0600 1234 2345',
    'nod dev/null 0666 0 0 c 1 3',
    'nod dev/sda 0660 0 6 b 8 0',
    'pipe run/fifo 0600 0 0',
    'slink bin/soft 0777 0 0 /etc/../anywhere',
  ]);
  const attributes = execFileSync('rdsquashfs', ['--xattr', 'bin/ping', base], { encoding: 'utf8' });
  assert.match(attributes, /^user\.note=kept$/m);
  assert.match(attributes.toLowerCase(), new RegExp(`^security\\.capability=0x${CAPABILITY.toString('hex')}$`, 'm'));
  assert.match(
    execFileSync('rdsquashfs', ['--stat', '/', base], { encoding: 'utf8' }),
    /^Access: 0755\nUID: 0 .*\nGID: 0 /m,
  );
});

test('the same tar gives the same digest, however it is compressed, from a file or as it is sent', async () => {
  const plain = await importBytes('plain', ROOT);
  for (const [name, bytes] of [
    ['gzip', gzipSync(ROOT)],
    ['zstd', zstdCompressSync(ROOT)],
    ['xz', execFileSync('xz', ['-c'], { input: ROOT })],
  ] as const) {
    assert.equal((await importBytes(name, bytes)).digest, plain.digest, name);
  }
  const { digest } = await images.importSent(task, { name: 'sent', tar: Readable.from([gzipSync(ROOT)]) });
  assert.equal(digest, plain.digest);
  assert.deepEqual(entries(), [hexOf(plain.digest as Digest)]);
});

const hostile: [title: string, bytes: () => Buffer, code?: string][] = [
  ['an xz that was cut off', () => execFileSync('xz', ['-c'], { input: ROOT }).subarray(0, 300)],
  ['a gzip that was cut off', () => gzipSync(ROOT).subarray(0, 300)],
  ['a gzip with changed bytes', () => Buffer.concat([gzipSync(ROOT).subarray(0, 100), Buffer.alloc(200, 7)])],
  ['a zstd that was cut off', () => zstdCompressSync(ROOT).subarray(0, 200)],
  ['a tar that was cut off', () => ROOT.subarray(0, 100_000)],
  ['a file inside of a file', () => sampleTar({ name: 'bin/sh' }, { name: 'bin/sh/x' })],
  ['a hard link to nothing', () => sampleTar({ name: 'bin/sh' }, { name: 'x', type: '1', linkName: 'nothing' })],
  ['no tar', () => Buffer.from('#!/bin/sh\nexit 1\n'.repeat(500))],
];
for (const [title, bytes] of hostile) {
  test(`refused, with nothing left: ${title}`, async () => {
    await assert.rejects(importBytes('bad', bytes()), { code: 'IMAGE_INVALID' });
    const tar = Readable.from([bytes()]);
    await assert.rejects(images.importSent(task, { name: 'bad', tar }), { code: 'IMAGE_INVALID' });
    assert.deepEqual(entries(), []);
    assert.deepEqual(store.images.list(), []);
  });
}

test('a FIFO and a device are refused at once, however many are named', async () => {
  const fifo = join(home, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const imports = [fifo, fifo, fifo, fifo, fifo, '/dev/zero'].map((path, index) =>
    assert.rejects(images.importFile(task, { name: `x${index}`, path }), {
      code: 'IMAGE_INVALID',
      message: /not a file/,
    }),
  );
  await Promise.all(imports);
  assert.deepEqual(entries(), []);
});

test('a folder, and a file that is not there, are refused', async () => {
  await assert.rejects(images.importFile(task, { name: 'x', path: home }), { code: 'IMAGE_INVALID' });
  const path = join(home, 'nothing.tar');
  await assert.rejects(images.importFile(task, { name: 'x', path }), { code: 'FILE_NOT_FOUND' });
  await assert.rejects(images.importFile(task, { name: '../x', path }), { code: 'BAD_NAME' });
});

test('a cancelled import leaves nothing', async () => {
  const controller = new AbortController();
  const cancelled = new Task(controller.signal, (event) => {
    if (event.is === 'step') queueMicrotask(() => controller.abort());
  });
  await assert.rejects(images.importFile(cancelled, { name: 'x', path: writeTar(ROOT) }), { code: 'CANCELLED' });
  assert.deepEqual(entries(), []);
});

test('a tar that is never read, since its name is bad or another import goes first, is let go', async () => {
  const bad = new PassThrough();
  await assert.rejects(images.importSent(task, { name: '../x', tar: bad }), { code: 'BAD_NAME' });
  const first = importBytes('mine', ROOT);
  const waiting = new PassThrough();
  const controller = new AbortController();
  const second = images.importSent(new Task(controller.signal, () => {}), { name: 'mine', tar: waiting });
  controller.abort();
  await assert.rejects(second, { code: 'CANCELLED' });
  assert.deepEqual([bad.destroyed, waiting.destroyed], [true, true]);
  await first;
});

test('an image in use is not removed, and its base outlives its name', async () => {
  const first = await importBytes('mine', ROOT);
  users = ['web', 'db'];
  await assert.rejects(images.remove(task, 'mine'), { code: 'IMAGE_IN_USE', message: /the vms web, db/ });
  await importBytes('mine', sampleTar({ name: 'bin/sh', content: 'other' }));
  assert.ok(existsSync(images.basePath(first.digest as Digest)));
  users = [];
  await images.sweep();
  assert.throws(() => images.basePath(first.digest as Digest), { code: 'IMAGE_NOT_FOUND' });
  await images.remove(task, 'mine');
  assert.deepEqual(entries(), []);
});

test('an image is found by name, digest, or the beginning of its digest', async () => {
  const { digest } = await importBytes('mine', ROOT);
  const hex = hexOf(digest as Digest);
  for (const ref of ['mine', digest as string, hex, hex.slice(0, 8)]) assert.equal(images.find(ref).digest, digest);
  for (const ref of [hex.slice(0, 7), 'other', 'debian']) {
    assert.throws(() => images.find(ref), { code: 'IMAGE_NOT_FOUND' });
  }
});

test('the catalog shows what is not here yet, and its default', async () => {
  assert.deepEqual(
    (await images.list()).map(({ name, digest, isDefault }) => ({ name, digest, isDefault })),
    [
      { name: 'debian', digest: null, isDefault: true },
      { name: 'image-builder', digest: null, isDefault: false },
    ],
  );
});

test('an image tells what it takes, and with which names it shares that', async () => {
  const { allocatedBytes, sharedWith, sizeBytes } = await importBytes('one', ROOT);
  assert.ok((allocatedBytes ?? 0) >= (sizeBytes ?? 0) && (allocatedBytes ?? 0) < 100_000, String(allocatedBytes));
  assert.deepEqual(sharedWith, []);
  assert.deepEqual((await importBytes('two', ROOT)).sharedWith, ['one']);
  await importBytes('other', sampleTar({ name: 'bin/sh', content: 'other' }));
  const shown = (await images.list()).map((image) => [image.name, image.sharedWith, (image.allocatedBytes ?? 0) > 0]);
  assert.deepEqual(shown, [
    ['debian', [], false],
    ['image-builder', [], false],
    ['one', ['two'], true],
    ['other', [], true],
    ['two', ['one'], true],
  ]);
  await images.remove(task, 'two');
  assert.deepEqual((await images.show('one')).sharedWith, []);
});

test('a sweep removes what was left half-made, and nothing that merely has no record', async () => {
  mkdirSync(join(home, 'images/.staging-0123456789ab'), { recursive: true });
  mkdirSync(join(home, 'images', 'a'.repeat(64)));
  writeFileSync(join(home, 'images', 'a'.repeat(64), 'names.json.partial'), '{');
  mkdirSync(join(home, 'images/not-ours'));
  const { digest } = await importBytes('mine', ROOT);
  store.images.remove('mine');
  await images.sweep();
  assert.deepEqual(entries().sort(), [hexOf(digest as Digest), 'a'.repeat(64), 'not-ours'].sort());
  assert.deepEqual(readdirSync(join(home, 'images', 'a'.repeat(64))), []);
});

test('the folder of an image tells its names, as they are now', async () => {
  const { digest } = await importBytes('mine', ROOT);
  const names = () => readNames(join(home, 'images', hexOf(digest as Digest)))?.map(({ name }) => name);
  assert.deepEqual(names(), ['mine']);
  await importBytes('again', ROOT);
  assert.deepEqual(names(), ['again', 'mine']);
  await images.remove(task, 'mine');
  assert.deepEqual(names(), ['again']);
  users = ['web'];
  await importBytes('again', sampleTar({ name: 'bin/sh', content: 'other' }));
  assert.deepEqual(names(), [], 'a vm needs it still');
});

test('a removal that was cut off is finished, unless a vm that needs it may be unknown', async () => {
  const { digest } = await importBytes('mine', ROOT);
  await writeNames(join(home, 'images', hexOf(digest as Digest)), []);
  store.images.remove('mine');
  areVmsKnown = false;
  await images.sweep();
  assert.deepEqual(entries(), [hexOf(digest as Digest)]);
  areVmsKnown = true;
  await images.sweep();
  assert.deepEqual(entries(), []);
});

function importBytes(name: string, bytes: Buffer) {
  return images.importFile(task, { name, path: writeTar(bytes) });
}

function writeTar(bytes: Buffer): string {
  const path = join(home, 'root.tar');
  writeFileSync(path, bytes);
  return path;
}

function entries(): string[] {
  return existsSync(join(home, 'images')) ? readdirSync(join(home, 'images')) : [];
}
