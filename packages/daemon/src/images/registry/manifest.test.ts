import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { readManifest } from './manifest.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker';
const config = { mediaType: `${OCI}.config.v1+json`, digest: digest('c'), size: 100 };
const layer = { mediaType: `${OCI}.layer.v1.tar+gzip`, digest: digest('a'), size: 1000 };
const image = { schemaVersion: 2, config, layers: [layer] };
const entry = (architecture: string, letter: string, more = {}) => ({
  ...{ mediaType: `${OCI}.manifest.v1+json`, digest: digest(letter), size: 10 },
  platform: { os: 'linux', architecture, ...more },
});

test('an image of either kind, with layers of tar, gzip and zstd; one that is there twice is fetched once', () => {
  const bytes = Buffer.from(JSON.stringify({ ...image, layers: [layer, { ...layer, digest: digest('b') }, layer] }));
  const found = readManifest(bytes, 'x');
  assert.ok(found.is === 'image');
  assert.equal(found.digest, `sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  assert.deepEqual([found.blobs.map((each) => each.digest.at(-1)), found.totalBytes], [['a', 'b', 'c'], 2100]);
  for (const mediaType of [
    `${OCI}.layer.v1.tar`,
    `${OCI}.layer.v1.tar+zstd`,
    `${DOCKER}.image.rootfs.diff.tar.gzip`,
    `${DOCKER}.image.rootfs.diff.tar`,
  ]) {
    assert.equal(read({ ...image, layers: [{ ...layer, mediaType }] }).is, 'image', mediaType);
  }
  const docker = { ...config, mediaType: `${DOCKER}.container.image.v1+json` };
  assert.equal(read({ ...image, config: docker, layers: [] }).is, 'image');
});

test('of an index, linux/amd64 without a variant is best, and one that says nothing is better than none', () => {
  const chosen = (...manifests: object[]) => {
    const found = read({ schemaVersion: 2, manifests });
    assert.ok(found.is === 'index');
    return found.amd64.at(-1);
  };
  const { platform: _, ...silent } = entry('', '9');
  assert.equal(chosen(entry('arm64', '1'), entry('amd64', '2', { variant: 'v3' }), entry('amd64', '3')), '3');
  assert.equal(chosen(entry('amd64', '2', { variant: 'v3' })), '2');
  assert.equal(chosen({ ...entry('amd64', '1'), platform: { os: 'windows', architecture: 'amd64' } }, silent), '9');
  const attested = entry('unknown', '4', { os: 'unknown' });
  assert.throws(() => read({ schemaVersion: 2, manifests: [entry('arm64', '1'), attested] }), {
    code: 'IMAGE_PLATFORM',
    hint: /: it is for linux\/arm64\.$/,
  });
  assert.throws(() => read({ schemaVersion: 2, manifests: [] }), { code: 'IMAGE_PLATFORM' });
});

const refused: [title: string, value: unknown, message: RegExp][] = [
  ['the first version', { schemaVersion: 1, fsLayers: [] }, /first version/],
  ['a web page', '<html>', /no manifest/],
  ['null', null, /no manifest/],
  ['a list', [image], /no manifest/],
  ['no digest', { ...image, layers: [{ ...layer, digest: 'sha256:../../etc' }] }, /no manifest/],
  ['a size below nothing', { ...image, layers: [{ ...layer, size: -1 }] }, /no manifest/],
  ['a size that is none', { ...image, layers: [{ ...layer, size: 1e300 }] }, /no manifest/],
  ['too many layers', { ...image, layers: Array.from({ length: 1001 }, () => layer) }, /no manifest/],
  ['more than any disk', { ...image, layers: [{ ...layer, size: 2 ** 39 }] }, /larger than 256G/],
  ['too large a configuration', { ...image, config: { ...config, size: 2 ** 30 } }, /more than 4M/],
  [
    'layers that no program here reads',
    { ...image, layers: [{ ...layer, mediaType: `${OCI}.layer.v1.tar+brotli` }] },
    /brotli/,
  ],
  ['an index that is an image too', { ...image, manifests: [entry('amd64', '1')] }, /two things at once/],
  [
    'another kind of thing',
    { ...image, config: { ...config, mediaType: 'application/x\u001b[2J' } },
    /"application\/x"/,
  ],
];
for (const [title, value, message] of refused) {
  test(`refused: ${title}`, () => assert.throws(() => read(value), { code: 'IMAGE_UNSUPPORTED', message }));
}

function read(value: unknown) {
  return readManifest(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), 'x');
}
