import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { Digest } from '@banger/contract/digest.ts';
import { createLog } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import { openStore, type Store } from '../store/store.ts';
import { createKernels, type Kernels } from './kernels.ts';
import { RELEASE, sampleBzImage, sampleVmlinux } from './sample-kernel.ts';

const CATALOG = join(import.meta.dirname, '../../../../catalog');
const task = Task.background();

let home: string;
let store: Store;
let kernels: Kernels;
let users: string[];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'banger-kernels-'));
  store = openStore(join(home, 'state.sqlite'));
  users = [];
  writeFileSync(join(home, 'agent'), 'agent');
  kernels = createKernels({
    records: store.kernels,
    folder: join(home, 'kernels'),
    cacheFolder: join(home, 'cache'),
    catalogFolder: CATALOG,
    agentPath: join(home, 'agent'),
    usedBy: () => users,
    areVmsKnown: () => true,
    log: createLog(() => {}),
    now: () => new Date(0),
  });
});

afterEach(() => {
  store.close();
  rmSync(home, { recursive: true });
});

test('a kernel is taken as vmlinux, or as vmlinuz however it is compressed', async () => {
  const elf = sampleVmlinux();
  const compress = (tool: string, ...args: string[]) => execFileSync(tool, args, { input: elf });
  const files: [string, Buffer][] = [
    ['vmlinux', elf],
    ['gzip', sampleBzImage(gzipSync(elf), { sizeField: false })],
    ['zstd', sampleBzImage(zstdCompressSync(elf))],
    ['xz', sampleBzImage(compress('xz', '-c', '--check=crc32'))],
    ['lz4', sampleBzImage(compress('lz4', '-l', '-c'))],
  ];
  for (const [name, bytes] of files) {
    const { digest, release } = await importBytes(name, bytes);
    assert.equal(release, RELEASE, name);
    const { vmlinuxPath, modulesImagePath } = await kernels.bootFiles(task, digest as Digest);
    assert.deepEqual(readFileSync(vmlinuxPath), elf, name);
    assert.equal(modulesImagePath, null);
  }
  assert.equal(folders().length, 1);
});

const refused: [title: string, bytes: Buffer, message: RegExp][] = [
  ['text', Buffer.from('hello\n'.repeat(200)), /neither an uncompressed kernel/],
  ['nothing', Buffer.alloc(0), /neither an uncompressed kernel/],
  ['a bzImage with an unknown payload', sampleBzImage(Buffer.from('BZh9'.repeat(9))), /not compressed with/],
  ['a bzImage that was cut off', sampleBzImage(gzipSync(sampleVmlinux())).subarray(0, 2700), /damaged/],
  ['a payload that is no kernel', sampleBzImage(gzipSync('text'), { sizeField: false }), /no ELF file/],
  ['another machine', sampleVmlinux({ machine: 183 }), /not one for x86-64/],
  ['a kernel without PVH', sampleVmlinux({ pvh: false }), /CONFIG_PVH/],
  ['an ELF file cut off', sampleVmlinux().subarray(0, 30), /not one for x86-64/],
  ['a program', readFileSync('/bin/true'), /no PVH entry/],
  [
    'a kernel without virtio',
    sampleVmlinux({ drivers: ['ext4', 'overlay', 'squashfs'] }),
    /lacks virtio_pci, virtio_blk/,
  ],
];
for (const [title, bytes, message] of refused) {
  test(`refused, with nothing left: ${title}`, async () => {
    await assert.rejects(importBytes('bad', bytes), { code: 'KERNEL_INVALID', message });
    assert.deepEqual(folders(), []);
  });
}

test('what is no file is refused at once: a FIFO, a device, a folder, also among the modules', async () => {
  const fifo = join(home, 'fifo');
  execFileSync('mkfifo', [fifo]);
  for (const path of [fifo, '/dev/zero', home]) {
    await assert.rejects(kernels.importKernel(task, { name: 'x', path }), {
      code: 'KERNEL_INVALID',
      message: /not a file/,
    });
  }
  const modulesPath = makeModules(RELEASE);
  execFileSync('mkfifo', [join(modulesPath, 'kernel/ext4.ko')]);
  await assert.rejects(importBytes('x', sampleVmlinux(), modulesPath), {
    code: 'KERNEL_INVALID',
    message: /neither a file nor a folder/,
  });
  assert.deepEqual(folders(), []);
});

test('links among the modules are left out, wherever they lead', { timeout: 30_000 }, async () => {
  const modulesPath = makeModules(RELEASE);
  for (const [name, target] of [
    ['modules.builtin.modinfo', '/dev/zero'],
    ['kernel/ext4.ko', '/dev/zero'],
    ['kernel/key.ko', '/etc/shadow'],
  ] as const) {
    symlinkSync(target, join(modulesPath, name));
  }
  await assert.rejects(importBytes('x', sampleVmlinux({ drivers: [] }), modulesPath), {
    code: 'KERNEL_INVALID',
    message: /lacks virtio_pci, .*ext4/,
  });
});

test('a kernel whose headers claim 65,535 notes of 8 MB each costs no more than another', {
  timeout: 20_000,
}, async () => {
  const elf = Buffer.concat([sampleVmlinux({ pvh: false }), Buffer.alloc(8 * 2 ** 20, 0)]);
  elf.writeUInt16LE(65_535, 56);
  elf.writeBigUInt64LE(BigInt(elf.length), 64 + 32);
  const beganMs = performance.now();
  await assert.rejects(importBytes('x', elf), { code: 'KERNEL_INVALID', message: /no PVH entry/ });
  elf.writeUInt16LE(64, 56);
  for (let index = 1; index < 64; index++) elf.copy(elf, 64 + index * 56, 64, 64 + 56);
  await assert.rejects(importBytes('x', elf), { code: 'KERNEL_INVALID', message: /no PVH entry/ });
  assert.ok(performance.now() - beganMs < 10_000);
});

test('a large kernel is looked through in pieces, while the daemon goes on', async () => {
  const largest = 256 * 2 ** 20;
  const path = join(home, 'large');
  writeFileSync(path, sampleVmlinux());
  truncateSync(path, largest);
  const before = process.memoryUsage.rss();
  let turns = 0;
  const counting = setInterval(() => turns++, 1);
  await kernels.importKernel(task, { name: 'x', path });
  clearInterval(counting);
  assert.ok(turns > 20, `only ${turns} turns of the loop`);
  assert.ok(process.memoryUsage.rss() - before < largest / 2);
});

test('a file that is not there is named', async () => {
  const path = join(home, 'nothing');
  await assert.rejects(kernels.importKernel(task, { name: 'x', path }), { code: 'FILE_NOT_FOUND', message: /nothing/ });
});

test('modules of another release are refused', async () => {
  const modulesPath = makeModules('6.1.0-other');
  await assert.rejects(importBytes('x', sampleVmlinux({ drivers: [] }), modulesPath), {
    code: 'KERNEL_INVALID',
    message: /does not hold the modules of this kernel, which is 6\.1\.0-test/,
  });
});

test('a modules folder that lacks a driver is refused by the name of the driver', async () => {
  const modulesPath = makeModules(RELEASE, 'kernel/fs/ext4/ext4.ko\n');
  await assert.rejects(importBytes('x', sampleVmlinux({ drivers: [] }), modulesPath), {
    code: 'KERNEL_INVALID',
    message: /lacks virtio_pci, virtio_blk, virtio_console, virtio_net, squashfs, overlay/,
  });
  assert.deepEqual(folders(), []);
});

test('what modules.builtin lists need not be a module; the guest gets its modules as an image', async () => {
  const names = ['virtio_pci', 'virtio_blk', 'virtio_console', 'virtio_net', 'squashfs', 'ext4', 'overlay'];
  const modulesPath = makeModules(RELEASE, names.map((name) => `kernel/${name}.ko\n`).join(''));
  const { digest } = await importBytes('x', sampleVmlinux({ drivers: [] }), modulesPath);
  const { modulesImagePath } = await kernels.bootFiles(task, digest as Digest);
  const listed = execFileSync('rdsquashfs', ['--describe', modulesImagePath as string], { encoding: 'utf8' });
  assert.match(listed, /^file modules\.dep 0644 0 0$/m);
});

test('whether a kernel has a vsock is written down, and one that was installed before that was looked for has none', async () => {
  const { digest } = await importBytes('x', sampleVmlinux());
  const without = JSON.parse(readFileSync(join(home, 'kernels', folders()[0] as string, 'manifest.json'), 'utf8'));
  assert.equal('vsock' in without, false);
  assert.equal((await kernels.bootFiles(task, digest as Digest)).hasVsock, false);

  const drivers = ['virtio-pci', 'virtio_blk', 'virtio_console', 'virtio_net', 'squashfs', 'ext4', 'overlay'];
  const built = await importBytes('y', sampleVmlinux({ drivers: [...drivers, 'vmw_vsock_virtio_transport'] }));
  assert.equal((await kernels.bootFiles(task, built.digest as Digest)).hasVsock, true);
});

test('the initramfs is made once for many machines, and anew when the agent changes', async () => {
  const { digest } = await importBytes('x', sampleVmlinux());
  const bootFiles = () => kernels.bootFiles(task, digest as Digest);
  const paths = (await Promise.all([bootFiles(), bootFiles(), bootFiles()])).map(({ initramfsPath }) => initramfsPath);
  assert.equal(new Set(paths).size, 1);
  const first = paths[0] as string;
  assert.deepEqual(readdirSync(dirname(first)), [first.slice(dirname(first).length + 1)]);
  writeFileSync(join(home, 'agent'), 'a newer agent');
  const { initramfsPath } = await bootFiles();
  assert.notEqual(initramfsPath, first);
  assert.ok(existsSync(first), 'a machine may be about to open it');
  await kernels.sweep();
  assert.deepEqual([existsSync(first), existsSync(initramfsPath)], [false, true]);
});

test('without its agent a kernel says what to do', async () => {
  const { digest } = await importBytes('x', sampleVmlinux());
  rmSync(join(home, 'agent'));
  await assert.rejects(kernels.bootFiles(task, digest as Digest), { code: 'FILE_NOT_FOUND', hint: /make setup/ });
});

test('a kernel in use is not removed', async () => {
  const { digest } = await importBytes('x', sampleVmlinux());
  users = ['web'];
  await assert.rejects(kernels.remove(task, 'x'), { code: 'KERNEL_IN_USE', message: /the vm web/ });
  users = [];
  await kernels.remove(task, 'x');
  assert.deepEqual(folders(), []);
  await assert.rejects(kernels.bootFiles(task, digest as Digest), { code: 'KERNEL_NOT_FOUND' });
  assert.throws(() => kernels.find('x'), { code: 'KERNEL_NOT_FOUND' });
});

async function importBytes(name: string, bytes: Buffer, modulesPath?: string) {
  const path = join(home, 'kernel');
  writeFileSync(path, bytes);
  return kernels.importKernel(task, { name, path, modulesPath });
}

function makeModules(release: string, builtin = ''): string {
  const folder = join(home, 'modules', release);
  mkdirSync(join(folder, 'kernel'), { recursive: true });
  writeFileSync(join(folder, 'modules.builtin'), builtin);
  writeFileSync(join(folder, 'modules.order'), '');
  return folder;
}

function folders(): string[] {
  return existsSync(join(home, 'kernels')) ? readdirSync(join(home, 'kernels')) : [];
}
