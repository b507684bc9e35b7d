import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPaxTime, parsePaxTime, readPaxRecords, writePaxHeader } from './pax.ts';
import { readTarBlock, TAR_BLOCK_BYTES } from './tar-block.ts';

test('records whose length has one digit more than their text are written right', () => {
  for (const bytes of [1, 80, 91, 92, 93, 94, 95, 980, 990, 991, 992, 993, 994, 995, 1000]) {
    const records = [{ key: 'path', value: new Uint8Array(bytes).fill(0x61) }];
    const header = writePaxHeader(records);
    const sizeBytes = readTarBlock(header.subarray(0, TAR_BLOCK_BYTES))?.sizeBytes ?? 0;
    assert.deepEqual(readPaxRecords(header.subarray(TAR_BLOCK_BYTES, TAR_BLOCK_BYTES + sizeBytes)), records);
  }
});

test('records that lie about their length are none', () => {
  for (const text of [
    '99 path=x\n',
    '9 path=x',
    '0 a=b\n',
    '-1 a=b\n',
    '1e1 a=bc\n',
    'path=x\n',
    '7 path\n',
    '8 a=b\n',
  ]) {
    assert.equal(readPaxRecords(Buffer.from(text)), null, text);
  }
});

test('times have a fraction, and may be before 1970', () => {
  for (const [text, nanoseconds] of [
    ['0', 0n],
    ['1700000000.123456789', 1_700_000_000_123_456_789n],
    ['-1.5', -1_500_000_000n],
    ['-0.25', -250_000_000n],
  ] as const) {
    assert.equal(parsePaxTime(text), nanoseconds);
    assert.equal(formatPaxTime(nanoseconds), text);
  }
  for (const text of ['', 'x', '1e9', '1.5.', '99999999999999']) assert.equal(parsePaxTime(text), null);
});
