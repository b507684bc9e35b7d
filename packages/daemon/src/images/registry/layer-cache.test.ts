import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { digestOfHex } from '@banger/contract/digest.ts';
import { createLayerCache } from './layer-cache.ts';
import type { Blob } from './manifest.ts';

const BLOB_BYTES = 64 * 1024;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'banger-layers-'));
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

test('what was not needed for longest goes first, and nothing that a pull holds', async () => {
  const cache = createLayerCache(folder, { totalBytes: 3 * BLOB_BYTES, leftBytes: 0 });
  const [oldest, older, newer, newest] = [put('a', 1), put('b', 2), put('c', 3), put('d', 4)];
  const pull = await cache.begin([oldest]);
  await cache.sweep();
  assert.deepEqual(here(), names(oldest, newer, newest), `${older.digest} is gone`);
  await pull.makeRoom();
  await pull[Symbol.asyncDispose]();
  const other = await cache.begin([newer, { ...blob('e'), sizeBytes: BLOB_BYTES }]);
  await other.makeRoom();
  assert.deepEqual(here(), names(oldest, newer), 'the one that was needed just now stays');
  await other[Symbol.asyncDispose]();
});

test('a blob that is cut off is missing, one that is whole is not, and what is on its way counts', async () => {
  const [whole, cut] = [put('a', 1), put('b', 2, 10)];
  const cache = createLayerCache(folder, { totalBytes: 2 ** 30, leftBytes: 0 });
  await using pull = await cache.begin([whole, cut]);
  const missing = await pull.missing();
  assert.deepEqual(missing, [cut]);
  assert.equal(existsSync(pathOf(cut)), false);
  writeFileSync(join(pull.layout, 'oci-put-blob123'), Buffer.alloc(7));
  writeFileSync(join(pull.layout, 'index.json'), '{}');
  assert.deepEqual(await pull.measure(missing), { bytes: 7, whole: 0 });
  writeFileSync(pathOf(cut), Buffer.alloc(BLOB_BYTES));
  assert.deepEqual(await pull.measure(missing), { bytes: BLOB_BYTES + 7, whole: 1 });
});

test('a pull leaves no folder, and what a killed one left goes at the next start, as does what is no blob', async () => {
  const kept = put('a', 1);
  mkdirSync(join(folder, 'pulls/0123456789ab/layout'), { recursive: true });
  writeFileSync(join(folder, 'pulls/0123456789ab/layout/oci-put-blob1'), 'half');
  writeFileSync(join(folder, 'blobs/sha256/oci-put-blob2'), 'half');
  const cache = createLayerCache(folder);
  const pull = await cache.begin([kept]);
  await cache.sweep();
  assert.deepEqual([readdirSync(join(folder, 'pulls')).length, here().length], [1, 1], 'its own stays');
  assert.equal(statSync(pull.layout).mode & 0o777, 0o700);
  await pull[Symbol.asyncDispose]();
  assert.deepEqual([readdirSync(join(folder, 'pulls')), here()], [[], names(kept)]);
});

test('where the disk has no room nothing is begun', async () => {
  const cache = createLayerCache(folder);
  await using pull = await cache.begin([{ ...blob('a'), sizeBytes: 2 ** 50 }]);
  await assert.rejects(pull.makeRoom(), { code: 'DISK_FULL' });
});

function blob(letter: string): Blob {
  return { digest: digestOfHex(letter.repeat(64)) as Blob['digest'], sizeBytes: BLOB_BYTES };
}

function put(letter: string, usedSeconds: number, bytes = BLOB_BYTES): Blob {
  const made = blob(letter);
  writeFileSync(pathOf(made), Buffer.alloc(bytes, 1));
  utimesSync(pathOf(made), usedSeconds, usedSeconds);
  return made;
}

function pathOf({ digest }: Blob): string {
  return join(folder, 'blobs/sha256', digest.slice('sha256:'.length));
}

function here(): string[] {
  return readdirSync(join(folder, 'blobs/sha256')).sort();
}

function names(...blobs: Blob[]): string[] {
  return blobs.map(({ digest }) => digest.slice('sha256:'.length)).sort();
}
