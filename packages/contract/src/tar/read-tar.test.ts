import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writePaxHeader } from './pax.ts';
import { readTar } from './read-tar.ts';
import { writeSparseMap } from './sparse-map.ts';
import { sealTarBlock, tarEnd, tarPadding, writeTarBlock } from './tar-block.ts';
import { writeTarHead } from './tar-head.ts';

const MTIME = 1_700_000_000_000_000_000n;
const FILE = { type: 'file', mode: 0o644, mtimeNs: MTIME } as const;

/** In pieces that fit nothing. */
async function* streamOf(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  const whole = Buffer.concat(parts);
  for (let at = 0; at < whole.length; at += 333) yield whole.subarray(at, at + 333);
}

async function* endless(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.concat(Array.from({ length: 100 }, () => Buffer.concat(parts)));
  for (;;) yield chunk;
}

async function readAll(bytes: AsyncIterable<Uint8Array>, onSkipped?: (count: number) => void) {
  const found: { name: string; content: string; sizeBytes: number }[] = [];
  for await (const { name, sizeBytes, body } of readTar(bytes, onSkipped && { onSkipped })) {
    let content = '';
    for await (const piece of body()) content += `${piece.at}:${Buffer.from(piece.bytes)} `;
    found.push({ name, content: content.trim(), sizeBytes });
  }
  return found;
}

function comment(text: string): Uint8Array {
  const header = writePaxHeader([{ key: 'comment', value: Buffer.from(text) }]);
  header[156] = 0x67;
  sealTarBlock(header.subarray(0, 512));
  return header;
}

function refused(title: string, stream: () => AsyncIterable<Uint8Array>, message: RegExp) {
  test(`refused: ${title}`, () => assert.rejects(readAll(stream()), { code: 'AGENT_PROTOCOL', message }));
}

const file = (content: string, name = 'f') => [
  writeTarHead({ ...FILE, name, sizeBytes: content.length }),
  Buffer.from(content),
  tarPadding(content.length),
];

test('what GNU tar writes is read: long names, any bytes, times, and files with holes', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-read-tar-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const long = 'n'.repeat(150);
  mkdirSync(join(folder, 'tree', long), { recursive: true });
  writeFileSync(join(folder, 'tree', long, 'deep'), 'deep');
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/tree/odd`), Buffer.of(0xff)]), 'odd');
  writeFileSync(join(folder, 'tree/holes'), 'start');
  truncateSync(join(folder, 'tree/holes'), 1 << 20);
  execFileSync('touch', ['-d', '1969-12-31 23:59:58.25 UTC', join(folder, 'tree/holes')]);
  for (const format of ['posix', 'gnu']) {
    const sparse = format === 'posix' ? ['--sparse'] : [];
    const args = [`--format=${format}`, ...sparse, '--sort=name', '-C', folder, '-c', 'tree'];
    const entries = [];
    for await (const { name, type, sizeBytes, storedBytes, mtimeNs } of readTar(
      streamOf(execFileSync('tar', args, { maxBuffer: 1e8 })),
    )) {
      if (type !== 'file') continue;
      entries.push(name === 'tree/holes' ? [name, sizeBytes, storedBytes < 10_000, mtimeNs] : [name, sizeBytes]);
    }
    const time = format === 'posix' ? -1_750_000_000n : -2_000_000_000n;
    assert.deepEqual(entries, [
      ['tree/holes', 1 << 20, format === 'posix', time],
      [`tree/${long}/deep`, 4],
      ['tree/odd\udcff', 3],
    ]);
  }
});

test('the pieces of a file with holes come with their places', async () => {
  const map = writeSparseMap([
    { at: 512, bytes: 512 },
    { at: 4096, bytes: 3 },
    { at: 9000, bytes: 0 },
  ]);
  const head = writeTarHead({ ...FILE, name: 'holes', sizeBytes: map.length + 515, sparseBytes: 9000 });
  const found = await readAll(streamOf(head, map, Buffer.alloc(512, 'a'), Buffer.from('end'), tarPadding(3), tarEnd()));
  assert.deepEqual([found[0]?.name, found[0]?.sizeBytes], ['holes', 9000]);
  assert.match(found[0]?.content ?? '', /^512:a+ .*4096:end$/);
});

test('a file that could not be read whole fails before it is taken for whole', async () => {
  const bodies: string[] = [];
  const reading = async () => {
    const stream = streamOf(...file('good', 'a'), ...file('cut', 'b'), comment('banger-fault SHRANK'), tarEnd());
    for await (const { name, body } of readTar(stream)) {
      for await (const _ of body());
      bodies.push(name);
    }
  };
  await assert.rejects(reading(), { code: 'GUEST_PATH', message: /could not read all of its file "b" \(SHRANK\)/ });
  assert.deepEqual(bodies, ['a']);
});

test('what was left out in there is told, and any other comment is passed over', async () => {
  let skipped = 0;
  const stream = streamOf(comment('hello'), ...file('x'), comment('banger-skipped 3'), tarEnd());
  const found = await readAll(stream, (count) => {
    skipped = count;
  });
  assert.deepEqual([found.length, skipped], [1, 3]);
});

test('owners, devices and extended attributes are read as they were written', async () => {
  const attributes = [
    { key: 'user.note', value: Buffer.of(0, 0x3d, 0x0a) },
    { key: 'user.empty', value: Buffer.alloc(0) },
  ];
  const owner = { mode: 0o640, mtimeNs: MTIME, uid: 4_294_967_294, gid: 3_000_000 };
  const device = { major: 259, minor: 70_000 };
  const heads = [
    writeTarHead({ ...owner, name: 'd', type: 'block device', device }),
    writeTarHead({ ...owner, name: 'c', type: 'character device', device, attributes }),
  ];
  const found = [];
  for await (const { name, type, uid, gid, device, attributes } of readTar(streamOf(...heads, tarEnd()))) {
    found.push({ name, type, uid, gid, device, attributes: attributes.map(({ key, value }) => [key, [...value]]) });
  }
  const { uid, gid } = owner;
  assert.deepEqual(found, [
    { name: 'd', type: 'block device', uid, gid, device, attributes: [] },
    {
      ...{ name: 'c', type: 'character device', uid, gid, device },
      attributes: [
        ['user.note', [0, 0x3d, 0x0a]],
        ['user.empty', []],
      ],
    },
  ]);
});

test('in a tar that no agent made comments mean nothing, it may end behind an entry, and its faults are the caller’s', async () => {
  const foreign = (what: string) => new RangeError(what);
  const names = async (...parts: Uint8Array[]) => {
    const found = [];
    for await (const { name, contentAt, body } of readTar(streamOf(...parts), { foreign })) {
      for await (const _ of body());
      found.push(`${name} ${contentAt}`);
    }
    return found;
  };
  const shrank = comment('banger-fault SHRANK');
  assert.deepEqual(await names(...file('x'), shrank, ...file('y', 'g')), ['f 512', `g ${1024 + shrank.length + 512}`]);
  assert.deepEqual(await names(), []);
  const [head, content] = file('x') as [Uint8Array, Uint8Array];
  assert.deepEqual(await names(head, content.subarray(0, 1)), ['f 512'], 'as "umoci insert" leaves it');
  await assert.rejects(names(head, content.subarray(0, 0)), { message: 'an end in the middle' });
  const cut = [...file('x'), writeTarHead({ ...FILE, name: 'a', sizeBytes: 10 })];
  await assert.rejects(names(...cut), { name: 'RangeError', message: 'an end in the middle' });
  await assert.rejects(names(writePaxHeader([record('path', 'a')])), { name: 'RangeError' });
  await assert.rejects(names(Buffer.alloc(512, 'x')), { name: 'RangeError', message: /wrong checksum/ });
});

refused('text', () => streamOf(Buffer.alloc(1024, 'garbage')), /wrong checksum/);
refused('nothing', () => streamOf(), /an end in the middle/);
refused('a tar without its end mark', () => streamOf(...file('x')), /an end in the middle/);
refused('a tar that is cut in a file', () => streamOf(writeTarHead({ ...FILE, name: 'a', sizeBytes: 10 })), /an end/);
refused('a size below zero', () => streamOf(sized(-1)), /a size that is not one/);
refused('a name of 8 GiB', () => streamOf(writeTarBlock({ name: 'x', type: 'L', sizeBytes: 2 ** 33 })), /above 65536/);
refused('pax headers without an end', () => endless(writePaxHeader([record('path', 'a')])), /above 65536/);
refused('comments without an end', () => endless(comment('x')), /above 65536/);
refused('empty headers without an end', () => endless(writeTarBlock({ name: 'x', type: 'x' })), /above 65536/);
refused('a map that does not fit', () => holes('1\n0\n5000\n', 9000), /does not fit its file/);
refused('a map of pieces in the wrong order', () => holes('2\n4096\n512\n0\n512\n', 9000), /cannot be/);
refused('a map of pieces beyond the end', () => holes('1\n8704\n512\n', 9000), /cannot be/);
refused('a map of too many pieces', () => holes('99999999\n', 9000), /cannot be/);
refused('a map that never ends', () => holes('1'.repeat(400), 9000), /without an end|cannot be/);

function record(key: string, value: string) {
  return { key, value: Buffer.from(value) };
}

function sized(sizeBytes: number): Uint8Array {
  return writeTarBlock({ name: 'x', type: '0', sizeBytes });
}

function holes(text: string, sparseBytes: number): AsyncIterable<Uint8Array> {
  const map = Buffer.concat([Buffer.from(text), tarPadding(text.length)]);
  const head = writeTarHead({ ...FILE, name: 'holes', sizeBytes: map.length + 1024, sparseBytes });
  return streamOf(head, map, Buffer.alloc(1024), tarEnd());
}
