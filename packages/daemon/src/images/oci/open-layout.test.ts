import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { writePaxHeader } from '@banger/contract/tar/pax.ts';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import { sealTarBlock } from '@banger/contract/tar/tar-block.ts';
import { Task } from '../../platform/task.ts';
import { together } from '../../platform/together.ts';
import { sampleEntry, sampleTar } from '../sample-tar.ts';
import { TarFilter } from '../tar-filter.ts';
import { openLayout } from './open-layout.ts';
import { type SampleDescriptor, type SampleImage, writeBlob, writeJson, writeLayout } from './sample-layout.ts';

const HINT = 'Pull it once more.';
const FILE = sampleTar({ name: 'x', content: 'of the lower layer' });
const IMAGE: SampleImage = { layers: [FILE] };
const INDEX = 'application/vnd.oci.image.index.v1+json';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-layout-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function open(folder: string, ref: string | null = null, task = Task.background()) {
  return openLayout(task, { index: join(folder, 'index.json'), blobs: join(folder, 'blobs'), hint: HINT, ref });
}

/** The names and contents that come out. */
async function filesOf(folder: string, ref: string | null = null, task = Task.background()) {
  const { writeTo } = await open(folder, ref, task);
  const tar = new TarFilter();
  const found: Record<string, string> = {};
  await together(task, [
    (own) => writeTo(own, tar),
    async (own) => {
      for await (const { name, body } of readTar(addAbortSignal(own.signal, tar))) {
        let content = '';
        for await (const { bytes } of body()) content += Buffer.from(bytes);
        found[name] = content;
      }
    },
  ]);
  return found;
}

test('an image is its configuration and its files, without a shell in it too', async (t) => {
  const folder = folderOf(t);
  const config = {
    ...{ Env: ['A=b', 'NOTHING', 'C=d=e'], User: 'app', WorkingDir: 'srv', Entrypoint: ['/x'], Cmd: 'one text' },
    ...{ StopSignal: 'sigquit', Labels: { any: 'thing' }, ExposedPorts: { '80/tcp': {} } },
  };
  writeLayout(folder, [{ ...IMAGE, config }]);
  const image = await open(folder);
  assert.deepEqual(image.config, {
    ...{ env: ['A=b', 'C=d=e'], user: 'app', workingDir: '/srv', entrypoint: ['/x'], command: ['one text'] },
    stopSignal: 'SIGQUIT',
  });
  assert.equal(image.manifestDigest, JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')).manifests[0].digest);
  assert.equal(image.layersBytes, gzipSync(FILE).length);
  assert.deepEqual(await filesOf(folder), { x: 'of the lower layer' });
});

test('an image that says nothing of running it, and has no layers, is one too', async (t) => {
  const folder = folderOf(t);
  writeLayout(folder, [{ layers: [], config: { Env: null, Cmd: null, StopSignal: 'no such signal!' } }]);
  const nothing = { env: [], user: null, workingDir: null, entrypoint: [], command: [], stopSignal: null };
  assert.deepEqual((await open(folder)).config, nothing);
  assert.deepEqual(await filesOf(folder), {});
});

test('layers of several gzip members or zstd frames, with what no reader knows between and behind them, are read whole', async (t) => {
  const tar = sampleTar({ name: 'a', content: 'a'.repeat(1000) }, { name: 'b', content: 'b'.repeat(1000) });
  const halves = [tar.subarray(0, 700), tar.subarray(700)] as const;
  const skippable = Buffer.concat([Buffer.from('502a4d180400000001020304', 'hex')]);
  const global = Buffer.from(writePaxHeader([{ key: 'comment', value: Buffer.from('banger-fault X') }]));
  global[156] = 'g'.charCodeAt(0);
  sealTarBlock(global.subarray(0, 512));
  const packed = {
    gzip: Buffer.concat(halves.map((half) => gzipSync(half))),
    zstd: Buffer.concat([zstdCompressSync(halves[0]), skippable, zstdCompressSync(halves[1]), skippable]),
  };
  for (const [how, blob] of Object.entries(packed)) {
    const folder = folderOf(t);
    writeLayout(folder, [{ layers: [tar] }], ([descriptor]) => [
      withBlob(folder, descriptor as SampleDescriptor, blob),
    ]);
    assert.deepEqual(Object.keys(await filesOf(folder)), ['a', 'b'], how);
  }
  const folder = folderOf(t);
  writeLayout(folder, [{ layers: [Buffer.concat([global, FILE, Buffer.alloc(20_000, 'behind the end')])] }]);
  assert.deepEqual(Object.keys(await filesOf(folder)), ['x']);
});

test('out of an index for many platforms comes the one that machines run, through further indexes', async (t) => {
  const folder = folderOf(t);
  const other = (name: string): SampleImage => ({ layers: [sampleTar({ name })] });
  writeLayout(folder, [other('arm'), other('v3'), IMAGE, other('windows')], ([arm, v3, plain, windows]) => {
    const inner = writeJson(folder, INDEX, {
      schemaVersion: 2,
      manifests: [
        { ...arm, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
        { ...arm, platform: { os: 'unknown', architecture: 'unknown' } },
        { ...v3, platform: { os: 'linux', architecture: 'amd64', variant: 'v3' } },
        { ...plain, platform: { os: 'linux', architecture: 'amd64' } },
        { ...windows, platform: { os: 'windows', architecture: 'amd64', 'os.version': '10' } },
      ],
    });
    return [writeJson(folder, INDEX, { schemaVersion: 2, manifests: [inner] })];
  });
  assert.deepEqual(Object.keys(await filesOf(folder)), ['x']);
});

test('of several images one is chosen by its name, and without one they are listed', async (t) => {
  const folder = folderOf(t);
  const second = { layers: [sampleTar({ name: 'second' })], names: ['b:1', 'b:latest'] };
  writeLayout(folder, [{ ...IMAGE, names: ['a'] }, second]);
  assert.deepEqual(Object.keys(await filesOf(folder, 'b:latest')), ['second']);
  await assert.rejects(open(folder), {
    code: 'IMAGE_INVALID',
    hint: HINT,
    message: /several images.*--ref.*: a, b:1, b:latest\./,
  });
  await assert.rejects(open(folder, 'c'), { message: /no "c" in it; there is: a, b:1, b:latest\./ });
  writeLayout(folder, [{ ...IMAGE, names: ['docker.io/library/alpine:latest'] }, second]);
  for (const name of ['alpine', 'alpine:latest', 'docker.io/library/alpine:latest']) {
    assert.deepEqual(Object.keys(await filesOf(folder, name)), ['x'], name);
  }
  writeLayout(folder, [second]);
  assert.deepEqual(Object.keys(await filesOf(folder)), ['second'], 'two names of one image are no choice');
});

type Change = (folder: string, descriptor: SampleDescriptor) => SampleDescriptor | undefined;

const refused = (title: string, message: RegExp, change: Change, image: SampleImage = IMAGE) =>
  test(`refused: ${title}`, async (t) => {
    const folder = folderOf(t);
    writeLayout(folder, [image], ([manifest]) => [change(folder, manifest as SampleDescriptor) ?? manifest]);
    await assert.rejects(filesOf(folder), { code: 'IMAGE_INVALID', hint: HINT, message });
  });

const asIs: Change = () => undefined;
refused('a manifest that was changed', /^Its manifest is not what its digest/, (folder, { digest }) =>
  spoil(folder, digest),
);
refused('a configuration that was changed', /^Its configuration is not what/, (folder, manifest) => {
  return spoil(folder, manifestOf(folder, manifest).config.digest);
});
refused(
  'a layer that was changed',
  /^The layer sha256:\w+ is (?:not what its digest says|damaged)/,
  (folder, manifest) => {
    return spoil(folder, manifestOf(folder, manifest).layers[0].digest, 9);
  },
);
refused('a layer that is damaged inside', /^The layer sha256:\w+ is damaged: /, (folder, manifest) => {
  const packed = gzipSync(FILE);
  return withBlob(folder, manifest, Buffer.concat([packed.subarray(0, 15), Buffer.alloc(packed.length - 15, 0xaa)]));
});
refused('a layer that was cut off', /is damaged: unexpected end/, (folder, manifest) => {
  return withBlob(folder, manifest, gzipSync(FILE).subarray(0, -12));
});
refused(
  'a layer with another tar in it than the configuration says',
  /is not what its digest says/,
  (folder, manifest) => {
    return withBlob(folder, manifest, gzipSync(sampleTar({ name: 'y' })));
  },
);
refused('a layer that is packed as no layer is', /is packed with xz/, (folder, manifest) => {
  return withBlob(folder, manifest, Buffer.from('fd377a585a000000', 'hex'));
});
refused('a blob of another size', /has \d+ bytes, and is to have/, (folder, manifest) => {
  truncateSync(pathOf(folder, manifestOf(folder, manifest).layers[0].digest), 10);
  return undefined;
});
refused('a missing blob', /^Its blob sha256:\w+ is missing/, (folder, manifest) => {
  unlinkSync(pathOf(folder, manifestOf(folder, manifest).layers[0].digest));
  return undefined;
});
refused('a blob that is no file', /is a folder, not a file/, (folder, manifest) => {
  const { layers } = manifestOf(folder, manifest);
  unlinkSync(pathOf(folder, layers[0].digest));
  mkdirSync(pathOf(folder, layers[0].digest));
  const { size } = statSync(pathOf(folder, layers[0].digest));
  return changed(folder, manifest, { layers: [{ ...layers[0], size }] });
});
refused('an image for another platform', /is for linux\/arm64; machines run linux\/amd64/, asIs, {
  ...IMAGE,
  architecture: 'arm64',
});
refused(
  'an index without a platform that machines run',
  /nothing for linux\/amd64.*it is for linux\/arm64/,
  (_folder, manifest) => ({
    ...manifest,
    platform: { os: 'linux', architecture: 'arm64' },
  }),
);
refused('what is no image', /of the type "application\/vnd.cncf.helm/, (folder, manifest) => {
  return changed(folder, manifest, { config: writeJson(folder, 'application/vnd.cncf.helm.config.v1+json', {}) });
});
refused('a manifest of an unknown type', /is of the type "text\/plain"/, (_folder, manifest) => ({
  ...manifest,
  mediaType: 'text/plain',
}));
refused('an encrypted layer', /layer of the type ".*encrypted"/, (folder, manifest) => {
  const [layer] = manifestOf(folder, manifest).layers;
  return changed(folder, manifest, { layers: [{ ...layer, mediaType: `${layer.mediaType}+encrypted` }] });
});
refused('layers that the configuration does not tell of', /tells of 1 layers, and it has 2/, (folder, manifest) => {
  const [layer] = manifestOf(folder, manifest).layers;
  return changed(folder, manifest, { layers: [layer, layer] });
});
refused('indexes in indexes without an end', /without an end/, (folder, manifest) => {
  let inner = manifest;
  for (let depth = 0; depth < 6; depth++) inner = writeJson(folder, INDEX, { manifests: [inner] });
  return inner;
});
refused('a document that is too large', /more than 4194304 bytes/, (folder) =>
  writeJson(folder, INDEX, { x: 'x'.repeat(2 ** 22) }),
);
refused('a document that is none', /^Its manifest is not understood: config/, (folder, { mediaType }) =>
  writeBlob(folder, mediaType, Buffer.from('{}')),
);
refused('what no program can be given', /running it cannot be: command/, asIs, { ...IMAGE, config: { Cmd: ['a\0b'] } });
refused('a layer that is no tar', /that cannot be read: it has a header with a wrong checksum/, asIs, {
  layers: [Buffer.alloc(1000, 'x')],
});
refused('layers that cannot be merged', /hard link to what is not there/, asIs, {
  layers: [sampleTar({ name: 'a', type: '1', linkName: 'b' })],
});
refused('a device with numbers that cannot be', /device with numbers/, asIs, {
  layers: [sampleTar({ name: 'a', type: '3', device: [5000, 0] })],
});
test('a file that is larger than an image may be is refused before it is made, holes or not', async (t) => {
  const folder = folderOf(t);
  const records = [{ key: 'GNU.sparse.major', value: Buffer.from('1') }, ...sparseOf(2 ** 40)];
  const map = sampleEntry({ name: 'x', content: `1\n${2 ** 40}\n0\n`.padEnd(512, '\0') });
  writeLayout(folder, [{ layers: [Buffer.concat([writePaxHeader(records), map])] }]);
  await assert.rejects(filesOf(folder), { code: 'IMAGE_INVALID', message: /holds more than 256G/ });
});

test('a cancelled merge ends, and lets go of its files', async (t) => {
  const folder = folderOf(t);
  writeLayout(folder, [{ layers: [{ tar: sampleTar({ name: 'x', content: 'y'.repeat(2 ** 22) }), packed: 'tar' }] }]);
  for (const wanted of ['check the layer', 'merge them']) {
    const controller = new AbortController();
    const task = new Task(controller.signal, (event) => {
      if (event.is === 'step' && event.step === wanted) setImmediate(() => controller.abort());
    });
    await assert.rejects(filesOf(folder, null, task), { code: 'CANCELLED' });
  }
  // It ends by a fault, and a stream that is left so closes its file in a moment of its own.
  while (openFiles().some((path) => path.startsWith(folder))) await delay(5);
});

test('a layout without an index is told as that', async (t) => {
  await assert.rejects(open(folderOf(t)), {
    code: 'IMAGE_INVALID',
    message: /no index\.json that can be read: ENOENT/,
  });
  const folder = folderOf(t);
  writeFileSync(join(folder, 'index.json'), '{"manifests": []}');
  await assert.rejects(open(folder), { code: 'IMAGE_INVALID', message: /holds no image/ });
});

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [readlinkSync(`/proc/self/fd/${name}`)];
    } catch {
      return []; // the one that reads the folder
    }
  });
}

function sparseOf(sizeBytes: number) {
  return [
    { key: 'GNU.sparse.minor', value: Buffer.from('0') },
    { key: 'GNU.sparse.name', value: Buffer.from('x') },
    { key: 'GNU.sparse.realsize', value: Buffer.from(String(sizeBytes)) },
  ];
}

function pathOf(folder: string, digest: string): string {
  return join(folder, 'blobs/sha256', digest.slice(7));
}

function manifestOf(folder: string, { digest }: SampleDescriptor) {
  return JSON.parse(readFileSync(pathOf(folder, digest), 'utf8'));
}

/** The image with other words in its manifest. */
function changed(folder: string, manifest: SampleDescriptor, more: object): SampleDescriptor {
  return writeJson(folder, manifest.mediaType, { ...manifestOf(folder, manifest), ...more });
}

/** The image with another blob as its only layer, whose digest is right. */
function withBlob(folder: string, manifest: SampleDescriptor, blob: Buffer): SampleDescriptor {
  return changed(folder, manifest, { layers: [writeBlob(folder, 'application/vnd.oci.image.layer.v1.tar', blob)] });
}

/** Changes a byte of a blob. */
function spoil(folder: string, digest: string, at = 0): undefined {
  const bytes = readFileSync(pathOf(folder, digest));
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(pathOf(folder, digest), bytes);
}
