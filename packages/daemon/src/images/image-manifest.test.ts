import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import { describeImage, type ImageManifest, readManifest, writeManifest } from './image-manifest.ts';

const BASE = `sha256:${'a'.repeat(64)}` as Digest;
const CONFIG: ImageConfig = {
  ...{ env: ['A=b'], user: null, workingDir: '/srv', entrypoint: ['/entry'], command: ['x', 'y'], stopSignal: null },
};

async function write(t: TestContext, manifest: ImageManifest): Promise<string> {
  const parent = mkdtempSync(join(tmpdir(), 'banger-manifest-'));
  t.after(() => rmSync(parent, { recursive: true }));
  const folder = join(parent, hexOf(manifest.digest));
  mkdirSync(folder);
  await writeManifest(folder, manifest);
  return folder;
}

test('an image without a configuration has the digest of its base, and one with a configuration another', () => {
  assert.equal(describeImage(BASE, 1, null).digest, BASE);
  const others = [
    CONFIG,
    { ...CONFIG, env: ['A=c'] },
    { ...CONFIG, user: 'x' },
    { ...CONFIG, workingDir: null },
    { ...CONFIG, entrypoint: ['/entry', 'x'], command: ['y'] },
    { ...CONFIG, command: ['x y'] },
    { ...CONFIG, stopSignal: 'SIGINT' },
  ];
  const digests = [null, ...others].map((config) => describeImage(BASE, 1, config).digest);
  assert.equal(new Set(digests).size, digests.length);
  const turned: ImageConfig = Object.fromEntries(Object.entries(CONFIG).reverse()) as ImageConfig;
  assert.equal(describeImage(BASE, 1, turned).digest, describeImage(BASE, 1, CONFIG).digest, 'the order says nothing');
});

test('a folder tells what its image says, and one of an earlier version that it says nothing', async (t) => {
  const manifest = describeImage(BASE, 7, CONFIG);
  assert.deepEqual(readManifest(await write(t, manifest)), manifest);
  const plain = describeImage(BASE, 7, null);
  const folder = await write(t, plain);
  const earlier = { v: 1, digest: BASE, sizeBytes: 7 };
  assert.deepEqual(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')), earlier);
  assert.deepEqual(readManifest(folder), plain);
});

test('a folder whose words are not those of its digest tells nothing', async (t) => {
  const folder = await write(t, describeImage(BASE, 7, CONFIG));
  const path = join(folder, 'manifest.json');
  const written = JSON.parse(readFileSync(path, 'utf8'));
  for (const wrong of [
    { ...written, config: { ...CONFIG, command: ['other'] } },
    { ...written, config: { ...CONFIG, more: 1 } },
    { ...written, config: null },
    { ...written, baseDigest: `sha256:${'b'.repeat(64)}` },
    { ...written, v: 3 },
  ]) {
    writeFileSync(path, JSON.stringify(wrong));
    assert.equal(readManifest(folder), null, JSON.stringify(wrong));
  }
});

test('the largest configuration that is taken is read back', async (t) => {
  const manifest = describeImage(BASE, 7, {
    ...CONFIG,
    env: Array.from({ length: 8 }, () => `A=${'x'.repeat(130_000)}`),
  });
  assert.deepEqual(readManifest(await write(t, manifest)), manifest);
});
