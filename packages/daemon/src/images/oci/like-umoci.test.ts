/**
 * What the layers of an image become is held against what umoci unpacks of the same image, file by file: type, mode, owner,
 * time, extended attributes, content, and which names are one file. Both are read as tars: sqfs2tar's of the image, and GNU
 * tar's of umoci's folder.
 *
 * Where the two are to differ, `ours` says so:
 * - a folder that no layer names has no time of its own, and umoci's is when it was unpacked;
 * - the root is the image's own, and is left out on both sides;
 * - extended attributes that squashfs has no place for (ACLs), and marks of an overlay, are not kept;
 * - an attribute without a value is kept; umoci's library takes it for one that is taken back;
 * - squashfs has whole seconds from 1970 to 2106.
 *
 * Files with holes in the old way of GNU tar are refused on both sides, and a header for all entries by umoci alone.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import { tarEnd } from '@banger/contract/tar/tar-block.ts';
import { writeTarHead } from '@banger/contract/tar/tar-head.ts';
import { fsPath } from '../../platform/files.ts';
import { Task } from '../../platform/task.ts';
import { buildRootfs } from '../build-rootfs.ts';
import { sampleEntry, sampleTar } from '../sample-tar.ts';
import { MergedTree } from './merged-tree.ts';
import { openLayout } from './open-layout.ts';
import { type SampleLayer, writeLayout } from './sample-layout.ts';

const MAX_BUFFER = 2 ** 28;
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

type Layers = (SampleLayer | Buffer)[];
type Tree = Record<string, Record<string, unknown>>;

type Alike = { title: string; layers: (t: TestContext) => Layers; ours: (tree: Tree) => void };
const images: Alike[] = [];

/** `ours` changes what umoci made to what it is here. */
function alike(title: string, layers: Alike['layers'], ours: Alike['ours'] = () => {}) {
  images.push({ title, layers, ours });
}

const TAR = ['-c', '--format=pax', '--sort=name', '--numeric-owner', '--xattrs', '--xattrs-include=*'];

async function importLayout(folder: string, ref: string): Promise<Tree> {
  const { writeTo } = await openLayout(Task.background(), {
    ...{ index: join(folder, 'index.json'), blobs: join(folder, 'blobs'), hint: '', ref },
  });
  const base = join(folder, 'base.squashfs');
  await buildRootfs(Task.background(), writeTo, base);
  return treeOf(execFileSync('sqfs2tar', [base], { maxBuffer: MAX_BUFFER }));
}

async function unpackByUmoci(folder: string, ref: string): Promise<Tree> {
  const bundle = join(folder, 'bundle');
  execFileSync('umoci', ['unpack', '--image', `${folder}:${ref}`, bundle], { stdio: 'pipe' });
  const root = join(bundle, 'rootfs');
  const tree = await treeOf(execFileSync('tar', [...TAR, '-C', root, '.'], { maxBuffer: MAX_BUFFER }));
  // GNU tar writes a device or a pipe with two names twice.
  const names = Map.groupBy(Object.keys(tree).sort(), (name) => lstatSync(fsPath(join(root, name))).ino);
  for (const group of names.values()) {
    for (const name of group) if (group.length > 1) Object.assign(tree[name] as object, { file: group[0] });
  }
  return tree;
}

/** What is under each name; all names of one file have the first of them as `file`. */
async function treeOf(tar: Buffer): Promise<Tree> {
  const found = new Map<string, Record<string, unknown>>();
  const groups = new Map<string, string[]>();
  for await (const entry of readTar(ReadableStream.from([tar]))) {
    const name = clean(entry.name);
    if (name === '') continue;
    if (entry.type === 'hardlink') {
      groups.get(clean(entry.target))?.push(name);
      groups.set(name, groups.get(clean(entry.target)) as string[]);
      continue;
    }
    const { type, mode, uid, gid, mtimeNs, target, device, sizeBytes } = entry;
    const content = createHash('sha256');
    let at = 0;
    for await (const piece of entry.body()) {
      content.update(Buffer.alloc(piece.at - at)).update(piece.bytes);
      at = piece.at + piece.bytes.length;
    }
    content.update(Buffer.alloc(sizeBytes - at));
    const attributes = entry.attributes.map(({ key, value }) => `${key}=${Buffer.from(value).toString('hex')}`).sort();
    groups.set(name, [name]);
    found.set(name, {
      ...{
        type,
        mode: mode.toString(8),
        owner: `${uid}:${gid}`,
        seconds: Number(mtimeNs / 1_000_000_000n),
        attributes,
      },
      ...(type === 'symlink' && { target }),
      ...(type === 'file' && { sizeBytes, content: content.digest('hex') }),
      ...(type.endsWith('device') && { device: `${device.major}:${device.minor}` }),
    });
  }
  const tree: Tree = {};
  for (const [name, group] of groups) {
    tree[name] = { ...found.get(group[0] as string), ...(group.length > 1 && { file: group.toSorted()[0] }) };
  }
  return tree;
}

function clean(name: string): string {
  return name.replace(/^(?:\.?\/)+|\/$/g, '').replace(/^\.$/, '');
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-umoci-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A folder that no layer names */
function unnamed(...names: string[]) {
  return (tree: Tree) => {
    for (const name of names) Object.assign(tree[name] as object, { seconds: 0 });
  };
}

const folder = (name: string, more = {}) => ({ name, type: '5', ...more });
const link = (name: string, linkName: string) => ({ name, type: '2', mode: 0o777, linkName });
const hard = (name: string, linkName: string) => ({ name, type: '1', linkName });

alike('whiteouts, opaque folders, and what takes the place of what', () => [
  sampleTar(
    ...[folder('a/'), { name: 'a/gone', content: 'x' }, { name: 'a/kept', content: 'kept', mode: 0o640 }],
    ...[
      folder('opaque/', { mode: 0o700 }),
      { name: 'opaque/gone' },
      folder('opaque/gone-too/'),
      { name: 'opaque/gone-too/x' },
    ],
    ...[folder('becomes-file/'), { name: 'becomes-file/x' }, { name: 'becomes-folder', content: 'file' }],
    ...[folder('becomes-link/'), { name: 'becomes-link/x' }, link('link-becomes-folder', 'a')],
    ...[folder('emptied/'), { name: 'emptied/x' }, { name: 'replaced', content: 'old', uid: 5, gid: 6 }],
  ),
  sampleTar(
    ...[
      { name: 'a/.wh.gone' },
      folder('opaque/', { mode: 0o711 }),
      { name: 'opaque/.wh..wh..opq' },
      { name: 'opaque/new' },
    ],
    ...[
      { name: 'becomes-file', content: 'now a file' },
      folder('becomes-folder/'),
      { name: 'becomes-folder/x', content: 'y' },
    ],
    ...[link('becomes-link', 'a'), folder('link-becomes-folder/'), { name: 'emptied/.wh.x' }, { name: '.wh.nothing' }],
    { name: 'replaced', content: 'new', mode: 0o600 },
  ),
]);

alike(
  'a whiteout that comes before, after and between what its own layer has',
  () => [
    sampleTar(folder('d/'), { name: 'd/low' }, folder('e/'), { name: 'e/low' }, folder('f/'), folder('f/g/'), {
      name: 'f/g/low',
    }),
    sampleTar(
      ...[{ name: 'd/new' }, { name: '.wh.d' }, { name: 'd/newer' }],
      ...[{ name: '.wh.e' }, folder('e/', { mode: 0o700 }), { name: 'e/new' }],
      ...[{ name: 'f/g/new' }, { name: 'f/.wh..wh..opq' }, { name: 'f/h' }],
    ),
  ],
  unnamed('d', 'f/g'),
);

alike('hard links within a layer and across layers', () => [
  sampleTar(
    ...[
      { name: 'one', content: 'first', mode: 0o4711, uid: 1, gid: 2 },
      hard('two', 'one'),
      folder('d/'),
      hard('d/three', './two'),
    ],
    ...[
      { name: 'low', content: 'low' },
      { name: 'removed', content: 'kept by its link' },
      { name: 'dup', content: 'a' },
    ],
  ),
  sampleTar(
    ...[hard('up', 'low'), hard('d/heir', '/removed'), { name: '.wh.removed' }],
    ...[hard('old-dup', 'dup'), { name: 'dup', content: 'b' }],
  ),
  sampleTar({ name: 'low', content: 'replaced' }, hard('late', 'd/three'), { name: '.wh.one' }),
]);

alike('hard links to links, devices and pipes', () => [
  sampleTar(
    ...[
      link('soft', 'nowhere'),
      hard('soft2', 'soft'),
      { name: 'null', type: '3', device: [1, 3] as [number, number] },
    ],
    ...[hard('null2', 'null'), { name: 'pipe', type: '6' }, hard('pipe2', 'pipe')],
  ),
]);

alike('owners, modes, devices and pipes', () => [
  sampleTar(
    ...[
      { name: 'big', uid: 3_000_000, gid: 4_294_967_293 },
      { name: 'set', mode: 0o6755 },
      folder('tmp/', { mode: 0o1777 }),
    ],
    ...[
      { name: 'none', mode: 0 },
      { name: 'd/', type: '5', mode: 0o2770, uid: 1000, gid: 1001 },
      { name: 'fifo', type: '6', mode: 0o622 },
    ],
    ...[{ name: 'tty', type: '3', mode: 0o620, gid: 5, device: [4, 300] as [number, number] }],
    ...[{ name: 'disk', type: '4', mode: 0o660, gid: 6, device: [259, 70_000] as [number, number] }],
  ),
  sampleTar(folder('d/', { mode: 0o755, uid: 7, gid: 8 }), { name: 'tmp/x', uid: 65_534, gid: 65_534 }),
]);

alike(
  'extended attributes and file capabilities, also of folders, and those that an upper layer drops',
  () => [
    sampleTar(
      { name: 'ping', attributes: { 'security.capability': CAPABILITY, 'user.note': Buffer.from([0, 61, 10, 255]) } },
      { name: 'd', type: '5', attributes: { 'user.folder': Buffer.from('x'), 'trusted.mine': Buffer.from('y') } },
      { name: 'dropped', attributes: { 'user.a': Buffer.from('1') } },
      { name: 'e', type: '5', attributes: { 'user.a': Buffer.from('1'), 'user.b': Buffer.from('2') } },
      { name: 'empty', attributes: { 'user.empty': Buffer.alloc(0) } },
      { name: 'overlay', attributes: { 'trusted.overlay.opaque': Buffer.from('y') } },
      { name: 'linked', attributes: { 'user.long': Buffer.alloc(3000, 'v') } },
      hard('linked2', 'linked'),
    ),
    sampleTar(
      { name: 'dropped', content: 'new' },
      { name: 'e', type: '5', attributes: { 'user.b': Buffer.from('3') } },
    ),
  ],
  (tree) => {
    Object.assign(tree.empty as object, { attributes: ['user.empty='] });
    Object.assign(tree.overlay as object, { attributes: [] });
  },
);

alike(
  'names: long, deep, not UTF-8, with blanks and newlines, cleaned, and without their folders',
  () => [
    Buffer.concat([
      sampleEntry(folder('./d/')),
      sampleEntry({ name: './d//./x/../'.slice(0, 6), content: 'y' }),
      sampleEntry({ name: '/from/the/top', content: 'z' }),
      ...[`${'l'.repeat(255)}`, `${'deep/'.repeat(60)}file`, 'odd \udcff\udc80 é\n\t"\\', '.wh', 'wh..wh.x', '-rf'].map(
        (name) => writeTarHead({ name, type: 'file', mode: 0o644, mtimeNs: 5_000_000_000n }),
      ),
      writeTarHead({ name: 'to', type: 'symlink', mode: 0o777, mtimeNs: 0n, target: `${'t'.repeat(300)}\udcfe` }),
      writeTarHead({ name: 'hard', type: 'hardlink', mode: 0o777, mtimeNs: 0n, target: `${'deep/'.repeat(60)}file` }),
      tarEnd(),
    ]),
  ],
  (tree) =>
    unnamed(
      'from',
      'from/the',
      ...Array.from({ length: 60 }, (_, depth) => 'deep/'.repeat(depth + 1).slice(0, -1)),
    )(tree),
);

alike(
  'names that lead through links of lower layers',
  () => [
    sampleTar(
      ...[folder('usr/'), folder('usr/lib/'), { name: 'usr/lib/old' }, link('lib', 'usr/lib'), link('abs', '/usr/lib')],
      ...[link('out', '../../../../usr'), link('chain', 'lib'), link('dangling', 'made/later')],
    ),
    sampleTar(
      ...[
        { name: 'lib/x', content: 'x' },
        { name: 'abs/y' },
        { name: 'out/z' },
        { name: 'chain/.wh.old' },
        hard('h', 'chain/x'),
      ],
      ...[{ name: 'dangling/file' }, folder('lib/sub/', { mode: 0o700 }), { name: 'lib/sub/s' }],
    ),
    sampleTar(folder('abs/'), { name: 'abs/own' }),
  ],
  unnamed('made', 'made/later'),
);

alike('each way to pack a layer, one of several members, and empty layers', () => [
  { tar: sampleTar({ name: 'a', content: 'plain' }), packed: 'tar' },
  { tar: sampleTar({ name: 'b', content: 'g'.repeat(100_000) }), packed: 'tar+gzip' },
  sampleTar(),
  Buffer.alloc(0),
  { tar: sampleEntry({ name: 'no-end', content: 'x' }), packed: 'tar' },
]);

alike(
  'times: with fractions, before 1970, and after 2106',
  () => [
    Buffer.concat([
      writeTarHead({ name: 'fraction', type: 'file', mode: 0o644, mtimeNs: 1_500_000_000_987_654_321n }),
      writeTarHead({ name: 'before', type: 'file', mode: 0o644, mtimeNs: -5_000_000_000n }),
      writeTarHead({ name: 'late', type: 'file', mode: 0o644, mtimeNs: 5_000_000_000_000_000_000n }),
      writeTarHead({ name: 'd', type: 'directory', mode: 0o755, mtimeNs: 7_000_000_000n }),
      writeTarHead({ name: 'd/x', type: 'symlink', mode: 0o777, mtimeNs: 8_000_000_000n, target: 'y' }),
      tarEnd(),
    ]),
    sampleTar({ name: 'd/z' }),
  ],
  (tree) => {
    Object.assign(tree.before as object, { seconds: 0 });
    Object.assign(tree.late as object, { seconds: 2 ** 32 - 1 });
  },
);

for (const format of ['posix', 'gnu', 'ustar']) {
  alike(`what GNU tar writes as ${format}, with holes where it can`, (t) => [gnuTar(t, format)]);
}

/** A tree of every kind, as GNU tar packs it. */
function gnuTar(t: TestContext, format: string): Buffer {
  const root = join(folderOf(t), 'tree');
  mkdirSync(join(root, 'd/e'), { recursive: true });
  writeFileSync(join(root, 'd/file'), 'content'.repeat(10_000));
  writeFileSync(join(root, 'd/holes'), 'start');
  truncateSync(join(root, 'd/holes'), 3_000_000);
  writeFileSync(join(root, 'd/holes2'), Buffer.concat([Buffer.alloc(1_000_000), Buffer.from('end')]));
  linkSync(join(root, 'd/file'), join(root, 'd/e/hard'));
  symlinkSync('../file', join(root, 'd/e/soft'));
  execFileSync('mkfifo', [join(root, 'pipe')]);
  chmodSync(join(root, 'd/file'), 0o4750);
  lchownSync(join(root, 'd/e'), 12, 34);
  utimesSync(join(root, 'd/file'), 1, 1_000_000_000);
  const sparse = format === 'posix' ? ['--sparse'] : [];
  return execFileSync('tar', ['-c', `--format=${format}`, ...sparse, '--numeric-owner', '-C', root, '.'], {
    maxBuffer: MAX_BUFFER,
  });
}

const skip = process.getuid?.() === 0 ? false : 'needs root';
test('an image has the files that umoci unpacks of it', { skip }, async (t) => {
  for (const { title, layers, ours } of images) {
    await t.test(title, async (t) => {
      const folder = folderOf(t);
      writeLayout(folder, [{ layers: layers(t) }]);
      const theirs = await unpackByUmoci(folder, 'latest');
      ours(theirs);
      assert.deepEqual(await importLayout(folder, 'latest'), theirs);
    });
  }

  await t.test('layers of anything, in any order', async (t) => {
    for (let seed = 1; seed <= 20; seed++) {
      const folder = folderOf(t);
      const layers = randomLayers(seed);
      writeLayout(folder, [{ layers: layers.map((layer) => sampleTar(...layer)) }]);
      // A folder that no layer names is as old as its unpacking.
      const [own, theirs] = [await importLayout(folder, 'latest'), await unpackByUmoci(folder, 'latest')];
      for (const tree of [own, theirs]) {
        for (const found of Object.values(tree)) if (found.type === 'directory') found.seconds = 0;
      }
      assert.deepEqual(own, theirs, JSON.stringify(layers));
    }
  });

  await t.test('one that umoci itself packed over another, with its own whiteouts', async (t) => {
    const folder = folderOf(t);
    const bundle = join(folder, 'bundle');
    writeLayout(folder, [{ layers: [gnuTar(t, 'posix')] }]);
    await unpackByUmoci(folder, 'latest');
    rmSync(join(bundle, 'rootfs/d/e'), { recursive: true });
    rmSync(join(bundle, 'rootfs/pipe'));
    writeFileSync(join(bundle, 'rootfs/pipe'), 'a file now');
    linkSync(join(bundle, 'rootfs/pipe'), join(bundle, 'rootfs/pipe2'));
    execFileSync('umoci', ['repack', '--image', `${folder}:next`, bundle], { stdio: 'pipe' });
    rmSync(bundle, { recursive: true });
    assert.deepEqual(await importLayout(folder, 'next'), await unpackByUmoci(folder, 'next'));
  });

  await t.test('one that skopeo copied out of an archive of Docker’s', async (t) => {
    const folder = folderOf(t);
    const [from, archive, to] = [join(folder, 'from'), join(folder, 'saved.tar'), join(folder, 'to')];
    writeLayout(from, [{ layers: [gnuTar(t, 'posix'), sampleTar({ name: 'd/.wh.e' })] }]);
    execFileSync('skopeo', ['copy', `oci:${from}:latest`, `docker-archive:${archive}:a:b`], { stdio: 'pipe' });
    execFileSync('skopeo', ['copy', `docker-archive:${archive}`, `oci:${to}:b`], { stdio: 'pipe' });
    assert.deepEqual(await importLayout(to, 'b'), await unpackByUmoci(to, 'b'));
  });
});

type Sample = Parameters<typeof sampleTar>[number];

/** Of few names, so that they often meet; without what is refused. The same seed gives the same. */
function randomLayers(seed: number): Sample[][] {
  let state = seed;
  const below = (count: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * count);
  };
  const pick = <Value>(values: readonly Value[]) => values[below(values.length)] as Value;
  const path = () => Array.from({ length: 1 + below(3) }, () => pick(['a', 'b', 'c'])).join('/');
  const someEntry = (): Sample => {
    const name = path();
    const owner = { uid: below(5), gid: below(5) };
    return pick<() => Sample>([
      () => ({ name, content: `${below(1000)}`, mode: pick([0o644, 0o4755]), ...owner }),
      () => folder(`${name}/`, { mode: pick([0o755, 0o700]), ...owner }),
      () => link(name, pick([path(), `/${path()}`, `../../${path()}`, '.', '..'])),
      () => hard(name, path()),
      () => ({ name: name.replace(/[^/]+$/, '.wh.$&') }),
      () => ({ name: `${name}/.wh..wh..opq` }),
    ])();
  };
  const layers: Sample[][] = [];
  for (let layer = 2 + below(3); layer > 0; layer--) {
    layers.push([]);
    for (let left = 3 + below(8); left > 0; left--) {
      const entry = someEntry();
      if (isPossible([...layers.slice(0, -1), [...(layers.at(-1) ?? []), entry]])) layers.at(-1)?.push(entry);
    }
  }
  return layers;
}

const TYPES = { '1': 'hardlink', '2': 'symlink', '5': 'directory' } as const;

function isPossible(layers: Sample[][]): boolean {
  const tree = new MergedTree((why) => new RangeError(why));
  try {
    for (const layer of layers) {
      tree.beginLayer();
      for (const { name, type = '0', linkName = '' } of layer) {
        tree.apply({ name, type: TYPES[type as keyof typeof TYPES] ?? 'file', target: linkName });
      }
    }
    return true;
  } catch {
    return false;
  }
}
