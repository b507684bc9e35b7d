import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Task } from '../platform/task.ts';
import { openStore, type Store } from '../store/store.ts';
import type { Images } from './images.ts';
import { type SampleImage, writeLayout } from './oci/sample-layout.ts';
import { createSampleImages } from './sample-images.ts';
import { sampleEntry, sampleTar } from './sample-tar.ts';

const task = Task.background();
const CONFIG = { Env: ['A=b'], Entrypoint: ['/run'], Cmd: ['x'] };
const LAYERS = [
  sampleTar(
    { name: 'a/', type: '5' },
    { name: 'a/low', content: 'low' },
    { name: 'run', content: 'x'.repeat(100_000) },
  ),
  sampleTar({ name: 'a/.wh.low' }, { name: 'a/up', content: 'up' }),
] as const;
const IMAGE: SampleImage = { layers: LAYERS, config: CONFIG, names: ['app:1'] };
const OTHER: SampleImage = { layers: [sampleTar({ name: 'other' })], names: ['other:2'] };

let home: string;
let store: Store;
let images: Images;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'banger-import-'));
  store = openStore(join(home, 'state.sqlite'));
  images = createSampleImages({ home, store });
});

afterEach(() => {
  store.close();
  rmSync(home, { recursive: true });
});

test('an image is the same as a layout, as an archive of one, and as Docker saved it, old and new, packed or not, from a file or a pipe', async () => {
  const layout = at('layout');
  writeLayout(layout, [IMAGE]);
  const archives = { oci: tarOf(layout), docker: saveOld('old', [IMAGE]), 'oci in docker': saveNew('new') };
  const skopeo = { 'docker-archive': at('skopeo-docker.tar'), 'oci-archive': at('skopeo-oci.tar') };
  for (const [kind, path] of Object.entries(skopeo)) {
    execFileSync('skopeo', ['copy', `oci:${layout}:app:1`, `${kind}:${path}:app:1`], { stdio: 'pipe' });
  }
  const { digest, config } = await imported(layout);
  assert.deepEqual(config, {
    ...{ env: ['A=b'], user: null, workingDir: null, entrypoint: ['/run'], command: ['x'], stopSignal: null },
  });
  for (const [kind, path] of Object.entries({ ...archives, ...skopeo })) {
    assert.equal((await imported(path)).digest, digest, kind);
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
    assert.equal((await imported(`${path}.gz`)).digest, digest, `${kind}, packed`);
    const tar = createReadStream(path, { highWaterMark: 5000 });
    assert.equal((await images.importSent(task, { name: 'sent', tar })).digest, digest, `${kind}, sent`);
  }
  assert.equal(readdirSync(at('images')).length, 1);
});

test('of several images one is chosen, in each kind of archive', async () => {
  const layout = at('layout');
  writeLayout(layout, [IMAGE, OTHER]);
  const digest = (await imported(layout, 'app:1')).digest;
  for (const path of [layout, tarOf(layout), saveOld('saved', [IMAGE, OTHER])]) {
    await assert.rejects(imported(path), {
      code: 'IMAGE_INVALID',
      message: /several images.*--ref.*: app:1, other:2\./,
    });
    await assert.rejects(imported(path, 'app'), {
      code: 'IMAGE_INVALID',
      message: /no "app" in it; there is: app:1, other:2\./,
    });
    assert.equal((await imported(path, 'app:1')).digest, digest);
  }
});

test('a root filesystem that begins as an image would is one all the same, and has nothing to choose from', async () => {
  const tar = sampleTar({ name: 'blobs/', type: '5' }, { name: 'manifest.json/', type: '5' }, { name: 'bin/sh' });
  const digests = new Set<unknown>();
  for (const bytes of [tar, gzipSync(tar)]) {
    digests.add((await imported(write('root', bytes))).digest);
    digests.add((await images.importSent(task, { name: 'sent', tar: Readable.from([bytes]) })).digest);
    await assert.rejects(imported(at('root'), 'x'), { code: 'IMAGE_INVALID', message: /is a root filesystem/ });
  }
  assert.equal(digests.size, 1);
  const plain = sampleTar({ name: 'bin/sh' });
  for (const bytes of [plain, gzipSync(plain)]) {
    await assert.rejects(imported(write('root', bytes), 'x'), {
      code: 'IMAGE_INVALID',
      message: /is a root filesystem/,
    });
  }
});

test('a layer that Docker saved once for several images is found by its links', async () => {
  const [low, up] = LAYERS;
  const manifest = [{ Config: 'c.json', RepoTags: null, Layers: ['b/layer.tar', './d/layer.tar'] }];
  const tar = sampleTar(
    ...[
      { name: `${'0'.repeat(64)}/`, type: '5' },
      { name: 'a/layer.tar', content: low.toString('latin1') },
    ],
    ...[
      { name: 'b/layer.tar', type: '2', linkName: '../a/layer.tar' },
      { name: 'up', content: up.toString('latin1') },
    ],
    ...[
      { name: 'd/layer.tar', type: '1', linkName: './up' },
      { name: 'c.json', content: JSON.stringify(configOf(IMAGE)) },
    ],
    { name: 'manifest.json', content: JSON.stringify(manifest) },
  );
  writeLayout(at('layout'), [IMAGE]);
  assert.equal((await imported(write('saved.tar', tar))).digest, (await imported(at('layout'))).digest);
});

const START = { name: `${'0'.repeat(64)}/`, type: '5' };
for (const [what, tar, message] of [
  ['a file of it is missing', saved([{ Config: 'c.json', Layers: [] }]), /file "c\.json" is missing/],
  [
    'its links go around in circles',
    saved([{ Config: 'l', Layers: [] }], { name: 'l', type: '2', linkName: 'l' }),
    /"l" is missing/,
  ],
  ['its manifest is none', saved({ any: 'thing' }), /manifest\.json is not understood/],
  ['it holds no image', saved([]), /manifest\.json is not understood/],
  ['its files lead out of it', saved([{ Config: '../../etc/passwd', Layers: [] }]), /passwd" is missing/],
  [
    'it is cut off',
    sampleTar(START, { name: 'x', content: 'y'.repeat(5000) }).subarray(0, 3000),
    /cannot be read: it has an end/,
  ],
] as [string, Buffer, RegExp][]) {
  test(`refused, with nothing left: an archive of which ${what}`, async () => {
    await assert.rejects(imported(write('saved.tar', tar)), { code: 'IMAGE_INVALID', message });
    await assert.rejects(images.importSent(task, { name: 'x', tar: Readable.from([tar]) }), {
      code: 'IMAGE_INVALID',
      message,
    });
    assert.deepEqual(readdirSync(at('images')), []);
    assert.deepEqual(store.images.list(), []);
  });
}

test('nothing at all is told as that', async () => {
  await assert.rejects(images.importSent(task, { name: 'x', tar: Readable.from([]) }), {
    code: 'IMAGE_INVALID',
    message: /^Nothing was sent/,
  });
});

test('what is no tar is told while its sender still has the line open', async () => {
  for (const start of ['neither a tarball nor its end\n'.repeat(1000), sampleEntry({ name: '../x' })]) {
    const tar = new PassThrough();
    tar.write(start);
    await assert.rejects(images.importSent(task, { name: 'x', tar }), {
      code: 'IMAGE_INVALID',
      message: /not a tar|leaves/,
    });
  }
});

test('an archive that is cancelled while it is kept leaves nothing', async () => {
  const controller = new AbortController();
  const cancelled = new Task(controller.signal, (event) => {
    if (event.is === 'step' && event.step === 'read the archive') controller.abort();
  });
  const endless = Readable.from(
    (async function* () {
      yield sampleEntry(START);
      for (;;) yield sampleEntry({ name: 'x', content: 'y'.repeat(100_000) });
    })(),
  );
  await assert.rejects(images.importSent(cancelled, { name: 'x', tar: endless }), { code: 'CANCELLED' });
  assert.deepEqual(readdirSync(at('images')), []);
});

function at(name: string): string {
  return join(home, name);
}

function write(name: string, bytes: Buffer): string {
  writeFileSync(at(name), bytes);
  return at(name);
}

function imported(path: string, ref?: string) {
  return images.importFile(task, { name: 'mine', path, ref });
}

function tarOf(folder: string): string {
  const path = `${folder}.tar`;
  execFileSync('tar', ['--sort=name', '-C', folder, '-cf', path, '.']);
  return path;
}

/** An archive of Docker's older kind, with this as its manifest.json. */
function saved(manifest: unknown, ...more: Parameters<typeof sampleTar>): Buffer {
  return sampleTar(START, ...more, { name: 'manifest.json', content: JSON.stringify(manifest) });
}

function configOf({ layers, config }: SampleImage): object {
  const diffIds = layers.map((layer) => `sha256:${hexOf(layer as Buffer)}`);
  return { os: 'linux', architecture: 'amd64', config, rootfs: { type: 'layers', diff_ids: diffIds } };
}

/** As `docker save` wrote before it knew of layouts. */
function saveOld(name: string, all: SampleImage[]): string {
  const folder = at(name);
  mkdirSync(folder);
  const manifest = all.map((image) => {
    const config = Buffer.from(JSON.stringify(configOf(image)));
    writeFileSync(join(folder, `${hexOf(config)}.json`), config);
    const files = image.layers.map((layer) => {
      mkdirSync(join(folder, hexOf(layer as Buffer)));
      writeFileSync(join(folder, hexOf(layer as Buffer), 'layer.tar'), layer as Buffer);
      return `${hexOf(layer as Buffer)}/layer.tar`;
    });
    return { Config: `${hexOf(config)}.json`, RepoTags: image.names, Layers: files };
  });
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
  return tarOf(folder);
}

/** As it writes today: a layout, with a manifest.json beside it that leads into the blobs. */
function saveNew(name: string): string {
  const folder = at(name);
  writeLayout(folder, [{ ...IMAGE, layers: LAYERS.map((tar) => ({ tar, packed: 'tar' })) }], (manifests) =>
    manifests.map((manifest) => ({
      ...manifest,
      annotations: { 'io.containerd.image.name': 'docker.io/library/app:1' },
    })),
  );
  writeFileSync(
    join(folder, 'manifest.json'),
    JSON.stringify([{ Config: 'blobs/sha256/x', RepoTags: ['app:1'], Layers: [] }]),
  );
  return tarOf(folder);
}

function hexOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
