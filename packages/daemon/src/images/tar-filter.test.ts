import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, test } from 'node:test';
import { readPaxRecords, writePaxHeader } from '@banger/contract/tar/pax.ts';
import { readTarBlock, sealTarBlock, tarEnd, writeTarBlock } from '@banger/contract/tar/tar-block.ts';
import { sampleTar } from './sample-tar.ts';
import { TarFilter } from './tar-filter.ts';

let folder: string;
let tar: Buffer;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'banger-tar-'));
  const root = join(folder, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, 'd'.repeat(120)));
  writeFileSync(join(root, 'bin/busybox'), 'x'.repeat(3000));
  writeFileSync(join(root, 'd'.repeat(120), 'long'), 'long');
  symlinkSync('busybox', join(root, 'bin/sh'));
  tar = makeTar(['-C', root, '.']);
});

after(() => rmSync(folder, { recursive: true }));

test('a root filesystem passes, without the entry of the root itself, in chunks of any size', async () => {
  const whole = await filter(tar, tar.length);
  assert.deepEqual(listTar(whole), ['bin/', 'bin/busybox', 'bin/sh', `${'d'.repeat(120)}/`, `${'d'.repeat(120)}/long`]);
  assert.equal((await filter(tar, 700)).equals(whole), true);
  assert.equal((await filter(tar, 1)).equals(whole), true);
});

test('the long names of GNU tar pass too', async () => {
  const gnu = makeTar(['--format=gnu', '-C', join(folder, 'root'), '.']);
  assert.equal(listTar(await filter(gnu)).at(-1), `${'d'.repeat(120)}/long`);
});

const refused = (title: string, input: () => Buffer, message: RegExp) =>
  test(`refused: ${title}`, () => assert.rejects(filter(input()), { code: 'IMAGE_INVALID', message }));

refused('text', () => Buffer.from('not a tar at all\n'.repeat(100)), /not a tar archive/);
refused('nothing', () => Buffer.alloc(0), /not a tar archive/);
refused('an empty tar', () => Buffer.alloc(10240), /no root filesystem/);
test('what follows the end of a tar that is no root is not waited for', async () => {
  const endless = (async function* () {
    for (;;) yield Buffer.alloc(10_240);
  })();
  const refusing = pipeline(endless, new TarFilter(), async (passed) => {
    for await (const _ of passed);
  });
  await assert.rejects(refusing, { code: 'IMAGE_INVALID', message: /no root filesystem/ });
});
refused('a tar cut off within a file', () => tar.subarray(0, 2000), /ends too soon/);
refused('a tar cut off between entries', () => withoutEnd(tar), /ends too soon/);
refused('a tar with a changed byte in a header', () => damaged(tar), /damaged after 2 entries/);
refused('a folder that is not a root', () => makeTar(['-C', folder, 'root']), /no root filesystem.*"root"/);
refused('a name with "..":', () => renamed('bin/../../etc/passwd'), /leaves the root: "bin\/\.\.\/\.\.\/etc\/passwd"/);
refused('a name from the top', () => renamed('/etc/passwd'), /begins with a slash/);
refused('an escape sequence in a name is not printed', () => renamed('../\x1b[2J'), /"\.\.\/\?\[2J"/);
refused(
  'a hard link to the outside',
  () => sampleTar({ name: 'x', type: '1', linkName: '../../etc/shadow' }),
  /leaves the root/,
);
refused('a size that no file has', () => renamed('bin/x', '0', 2 ** 50), /holds more than 256G/);
for (const size of ['-512', '1e3', '0x200', ' 512', '']) {
  refused(`a size that is no number: "${size}"`, () => withRecords({ size }), /no valid size/);
}
refused(
  'a few bytes that become a large file with holes',
  () => withRecords({ 'GNU.sparse.realsize': 2 ** 50 }),
  /256G/,
);
refused('the same in an older way', () => withRecords({ 'GNU.sparse.size': 2 ** 50 }), /256G/);
refused('the same in the oldest way', () => oldSparse(2 ** 40), /256G/);
refused('holes of a size that is none', () => oldSparse(2 ** 54), /no valid size/);
refused('a file with holes outside of the root', () => withRecords({ 'GNU.sparse.name': '../x' }), /leaves the root/);
refused('an entry of an unknown kind', () => renamed('bin/x', 'Z'), /unknown kind \(Z\)/);
refused('a pax header that lies about its length', () => badPax(), /damaged extended header/);
refused('headers without an entry, and no end of them', () => endlessPax(), /too long a header/);

test('extended attributes that squashfs keeps pass; others are left out', async () => {
  const attributes = ['security.capability', 'user.note', 'system.posix_acl_default', 'trusted.overlay.opaque'];
  const records = attributes.map((name) => ({ key: `SCHILY.xattr.${name}`, value: Buffer.from([1, 0, 0x0a, 2]) }));
  const input = Buffer.concat([writePaxHeader(records), sampleTar({ name: 'bin/sh' })]);
  const kept = readPaxRecords((await filter(input)).subarray(512, 512 + paxSize(await filter(input))));
  assert.deepEqual(
    kept?.map(({ key, value }) => [key, Buffer.from(value).toString('hex')]),
    [
      ['SCHILY.xattr.security.capability', '01000a02'],
      ['SCHILY.xattr.user.note', '01000a02'],
    ],
  );
});

test('what an agent says that it could not read is told, and of anybody else means nothing', async () => {
  const told = { name: 'comment', type: 'g', content: '31 comment=banger-fault SHRANK\n' };
  const input = sampleTar({ name: 'bin/sh', content: 'x' }, told, { name: 'etc/passwd' });
  assert.deepEqual(listTar(await filter(input)), ['bin/sh', 'etc/passwd']);
  await assert.rejects(filter(input, 512, { isOfAgent: true }), {
    code: 'GUEST_PATH',
    message: /could not read all of its files: SHRANK, at or after "bin\/sh"/,
  });
});

test('a tar of an agent ends with its end', async () => {
  const input = Buffer.concat([sampleTar({ name: 'bin/sh' }), Buffer.alloc(2 ** 20)]);
  const twice = Buffer.concat([input, Buffer.alloc(2 ** 20)]);
  assert.deepEqual(listTar(await filter(twice)), ['bin/sh']);
  assert.deepEqual(listTar(await filter(input.subarray(0, 2 ** 20), 4096, { isOfAgent: true })), ['bin/sh']);
  await assert.rejects(filter(twice, 4096, { isOfAgent: true }), { code: 'IMAGE_INVALID', message: /behind its end/ });
});

async function filter(input: Buffer, chunkBytes = 4096, options: { isOfAgent?: boolean } = {}): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const pieces = Array.from({ length: Math.ceil(input.length / chunkBytes) }, (_, index) =>
    input.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  );
  const filtering = Object.assign(new TarFilter(), options);
  await pipeline(Readable.from(pieces), filtering, async (output) => {
    for await (const chunk of output) chunks.push(chunk as Buffer);
  });
  return Buffer.concat(chunks);
}

function makeTar(args: string[]): Buffer {
  return execFileSync('tar', ['--format=pax', '--sort=name', '-c', ...args], { maxBuffer: 1e9 });
}

function listTar(bytes: Buffer): string[] {
  const path = join(folder, 'listed.tar');
  writeFileSync(path, bytes);
  return execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).trim().replace(/^\.\//gm, '').split('\n');
}

function renamed(name: string, type = '0', sizeBytes = 0): Buffer {
  return sampleTar({ name: 'bin/sh' }, { name, type, sizeBytes });
}

function withRecords(records: Record<string, string | number>): Buffer {
  const header = writePaxHeader(
    Object.entries(records).map(([key, value]) => ({ key, value: Buffer.from(`${value}`) })),
  );
  return Buffer.concat([header, renamed('bin/x')]);
}

function oldSparse(wholeBytes: number): Buffer {
  const block = Buffer.from(writeTarBlock({ name: 'bin/x', type: 'S' }));
  block[483] = 0x80;
  block.writeBigUInt64BE(BigInt(wholeBytes), 487);
  return Buffer.concat([sealTarBlock(block), tarEnd()]);
}

function badPax(): Buffer {
  return sampleTar({ name: 'PaxHeader', type: 'x', content: '99 path=x\n' }, { name: 'bin/sh' });
}

function endlessPax(): Buffer {
  const record = writePaxHeader([{ key: 'comment', value: Buffer.alloc(400) }]);
  return Buffer.concat(Array.from({ length: 2000 }, () => record));
}

function withoutEnd(whole: Buffer): Buffer {
  let end = whole.length;
  while (whole[end - 1] === 0) end--;
  return whole.subarray(0, Math.ceil(end / 512) * 512);
}

function damaged(whole: Buffer): Buffer {
  const copy = Buffer.from(whole);
  const at = copy.indexOf('./bin/busybox');
  copy[at + 2] = 0x61;
  return copy;
}

function paxSize(header: Buffer): number {
  return readTarBlock(header.subarray(0, 512))?.sizeBytes ?? 0;
}
