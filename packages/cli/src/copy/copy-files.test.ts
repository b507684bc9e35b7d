import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import { tarEnd, tarPadding, writeTarBlock } from '@banger/contract/tar/tar-block.ts';
import { type TarHead, writeTarHead } from '@banger/contract/tar/tar-head.ts';
import { packFiles } from './pack-files.ts';
import { unpackFiles } from './unpack-files.ts';

type Sample = Partial<TarHead> & { name: string; content?: string; isDevice?: boolean };

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-copy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A tar of what a guest could send, in small pieces. */
async function* tarOf(samples: Sample[]): AsyncGenerator<Buffer> {
  const parts = samples.flatMap(({ content = '', isDevice = false, ...sample }) => {
    if (isDevice) return [writeTarBlock({ name: sample.name, type: '3' })];
    const head = { type: 'file', mode: 0o644, mtimeNs: 1_700_000_000_000_000_000n, ...sample } as const;
    return [writeTarHead({ ...head, sizeBytes: content.length }), Buffer.from(content), tarPadding(content.length)];
  });
  const whole = Buffer.concat([...parts, tarEnd()]);
  for (let at = 0; at < whole.length; at += 333) yield whole.subarray(at, at + 333);
}

async function* withoutEnd(samples: Sample[]): AsyncGenerator<Buffer> {
  const whole = Buffer.concat(await Array.fromAsync(tarOf(samples)));
  yield whole.subarray(0, whole.length - tarEnd().length);
}

function collectedHeapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

async function unpack(folder: string, samples: Sample[], name: string | null = 'top') {
  const count = { files: 0, bytes: 0, skipped: 0 };
  await unpackFiles(tarOf(samples), { folder, base: 'src', name, count });
  return count;
}

test('a folder survives the way out and back: content, modes, links, long and odd names', async (t) => {
  const folder = tempFolder(t);
  const long = 'a-name-that-is-rather-long-'.repeat(8);
  mkdirSync(join(folder, 'src', long, 'ünter'), { recursive: true });
  writeFileSync(join(folder, 'src', long, 'ünter', 'data'), Buffer.alloc(700_001, 'xyz'));
  writeFileSync(join(folder, 'src', 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(folder, 'src', 'empty'), '');
  symlinkSync(`${long}/ünter/data`, join(folder, 'src', 'link'));
  mkdirSync(join(folder, 'out'));

  const sent = { files: 0, bytes: 0, skipped: 0 };
  const got = { files: 0, bytes: 0, skipped: 0 };
  const tar = packFiles({ path: join(folder, 'src'), name: 'src', count: sent });
  await unpackFiles(tar, { folder: join(folder, 'out'), base: 'src', name: 'copy', count: got });

  const copy = join(folder, 'out/copy');
  assert.deepEqual(got, sent);
  assert.equal(got.files, 4);
  assert.equal(statSync(join(copy, long, 'ünter/data')).size, 700_001);
  assert.equal(statSync(join(copy, 'run.sh')).mode & 0o777, 0o755);
  assert.equal(readlinkSync(join(copy, 'link')), `${long}/ünter/data`);
  assert.deepEqual(readdirSync(copy).sort(), [long, 'empty', 'link', 'run.sh'].sort());
});

test('the content of a folder goes into another without the folder', async (t) => {
  const folder = tempFolder(t);
  await unpack(
    folder,
    [
      { name: 'src', type: 'directory' },
      { name: 'src/a', content: 'A' },
    ],
    null,
  );
  assert.deepEqual(readdirSync(folder), ['a']);
});

test('a guest cannot write outside of what was asked for, whatever it calls its files', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'out'));
  for (const name of ['../evil', 'src/../../evil', '/etc/evil', 'evil', 'src/a/../../../evil', '..', '', 'srcevil/x']) {
    await assert.rejects(unpack(join(folder, 'out'), [{ name, content: 'x' }]), { code: 'AGENT_PROTOCOL' }, name);
  }
  assert.deepEqual(readdirSync(folder), ['out']);
});

test('a guest cannot write through a link that it sent before', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'out'));
  const samples: Sample[] = [
    { name: 'src', type: 'directory' },
    { name: 'src/inner', type: 'directory' },
    { name: 'src/door', type: 'symlink', target: 'inner' },
    { name: 'src/door/file', content: 'x' },
  ];
  await assert.rejects(unpack(join(folder, 'out'), samples), /it is in the way of a folder/);
  assert.deepEqual(readdirSync(join(folder, 'out/top/inner')), []);
});

test('a guest cannot write through a link that an earlier copy left', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'out/top'), { recursive: true });
  mkdirSync(join(folder, 'elsewhere'));
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'out/top/door'));
  writeFileSync(join(folder, 'precious'), 'mine');
  symlinkSync(join(folder, 'precious'), join(folder, 'out/top/file'));
  await assert.rejects(unpack(join(folder, 'out'), [{ name: 'src/door/x', content: 'x' }]), { code: 'FILE_NOT_FOUND' });
  await unpack(join(folder, 'out'), [{ name: 'src/file', content: 'new' }]);
  assert.deepEqual(readdirSync(join(folder, 'elsewhere')), []);
  assert.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'mine');
  assert.equal(readFileSync(join(folder, 'out/top/file'), 'utf8'), 'new');
});

test('links that lead out, devices and strange hard links are left out and counted', async (t) => {
  const folder = tempFolder(t);
  const count = await unpack(folder, [
    { name: 'src/good', content: 'x' },
    { name: 'src/same', type: 'hardlink', target: 'src/good' },
    { name: 'src/passwd', type: 'symlink', target: '/etc/passwd' },
    { name: 'src/up', type: 'symlink', target: '../other' },
    { name: 'src/null', isDevice: true },
    { name: 'src/stolen', type: 'hardlink', target: 'src/not-sent' },
  ]);
  assert.deepEqual(readdirSync(join(folder, 'top')).sort(), ['good', 'same']);
  assert.deepEqual([count.files, count.skipped], [2, 4]);
  await assert.rejects(unpack(folder, [{ name: 'src/h', type: 'hardlink', target: '/etc/passwd' }]), {
    code: 'AGENT_PROTOCOL',
  });
});

test('a link through one that lies where the copy goes, and leads out, is left out', async (t) => {
  const folder = tempFolder(t);
  symlinkSync('/etc', join(folder, 'mine'));
  const count = await unpack(folder, [{ name: 'src/new', type: 'symlink', target: 'mine/hostname' }], null);
  assert.deepEqual(readdirSync(folder), ['mine']);
  assert.equal(count.skipped, 1);
});

test('setuid bits are dropped, and closed folders get their mode when they are full', async (t) => {
  const folder = tempFolder(t);
  await unpack(folder, [
    { name: 'src', type: 'directory', mode: 0o555 },
    { name: 'src/su', mode: 0o6755, content: 'x' },
  ]);
  assert.equal(statSync(join(folder, 'top/su')).mode & 0o7777, 0o755);
  assert.equal(statSync(join(folder, 'top')).mode & 0o7777, 0o555);
  chmodSync(join(folder, 'top'), 0o755);
});

test('a stream that breaks off leaves whole files only', async (t) => {
  const folder = tempFolder(t);
  async function* cut() {
    const whole: Buffer[] = [];
    for await (const piece of tarOf([
      { name: 'src/a', content: 'A' },
      { name: 'src/b', content: 'B'.repeat(5000) },
    ]))
      whole.push(piece);
    yield Buffer.concat(whole).subarray(0, 3000);
  }
  const count = { files: 0, bytes: 0, skipped: 0 };
  await assert.rejects(unpackFiles(cut(), { folder, base: 'src', name: 'top', count }), { code: 'AGENT_PROTOCOL' });
  assert.deepEqual(readdirSync(join(folder, 'top')), ['a']);
});

test('a folder or device of the user is not replaced by a file', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'top/file'), { recursive: true });
  await assert.rejects(unpack(folder, [{ name: 'src/file', content: 'x' }]), { code: 'FILE_NOT_FOUND' });
  assert.ok(lstatSync(join(folder, 'top/file')).isDirectory());
});

for (const type of ['file', 'symlink'] as const) {
  test(`a tar of endless entries, each a ${type}, takes no more memory the longer it is`, async (t) => {
    const folder = tempFolder(t);
    const long = Array.from({ length: 15 }, (_, each) => String(each).padEnd(250, 'n')).join('/');
    const nameOf = (each: number) => ({ name: `src/${long}/${each}`, type, target: 'x' });
    const heapBytes: number[] = [];
    async function* stream() {
      for (let each = 0; each < 1000; each++) {
        yield* withoutEnd([nameOf(each)]);
        if (each === 100 || each === 999) heapBytes.push(collectedHeapBytes());
      }
      yield tarEnd();
    }
    const count = { files: 0, bytes: 0, skipped: 0 };
    await unpackFiles(stream(), { folder, base: 'src', name: 'top', count });
    const [before = 0, after = 0] = heapBytes;
    assert.ok(after - before < 2_000_000, `${after - before} bytes more`); // the names alone have 3.5 MB
  });
}

test('an endless file is given up at once where there is no space for it', async (t) => {
  const folder = tempFolder(t);
  async function* stream() {
    yield writeTarHead({ name: 'src/f', type: 'file', mode: 0o644, mtimeNs: 0n, sizeBytes: 2 ** 52 });
    for (;;) yield Buffer.alloc(65_536);
  }
  const count = { files: 0, bytes: 0, skipped: 0 };
  await assert.rejects(unpackFiles(stream(), { folder, base: 'src', name: 'top', count }), { code: 'DISK_FULL' });
  assert.deepEqual([count.bytes, readdirSync(join(folder, 'top'))], [0, []]);
});

test('a link that leads nowhere and a missing file are told by their names', async (t) => {
  const folder = tempFolder(t);
  const packing = packFiles({ path: join(folder, 'none'), name: 'none', count: { files: 0, bytes: 0, skipped: 0 } });
  await assert.rejects(packing.next(), { code: 'FILE_NOT_FOUND', message: /none: it does not exist/ });
  assert.ok(!existsSync(join(folder, 'none')));
});

test('files of the kernel, whose size is not what there is to read, go in whole', async () => {
  for (const path of ['/proc/version', '/sys/devices/system/cpu/online']) {
    const packing = packFiles({ path, name: 'it', count: { files: 0, bytes: 0, skipped: 0 } });
    let content = '';
    for await (const { body } of readTar(packing)) {
      for await (const { bytes } of body()) content += Buffer.from(bytes).toString();
    }
    assert.equal(content, readFileSync(path, 'utf8'));
  }
});
