import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOfText, textOfBytes } from './byte-text.ts';

test('any bytes become text and the same bytes again', () => {
  const samples = [
    'plain',
    'ünter 日本 🙂',
    '\ufeffmark',
    '\ufffd',
    Buffer.from([0xff]),
    Buffer.from([0x61, 0xe9, 0x62]),
    Buffer.from([0xc3]),
    Buffer.from([0xed, 0xb3, 0xbf]), // a surrogate, written as if it were a character
    Buffer.from([0xf0, 0x9f, 0x99, 0x82, 0x80, 0xef, 0xbf, 0xbd, 0xe2, 0x82]),
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  ];
  for (const sample of samples) {
    const bytes = Buffer.from(sample as string);
    assert.deepEqual(Buffer.from(bytesOfText(textOfBytes(bytes))), bytes);
    if (typeof sample === 'string') assert.equal(textOfBytes(bytes), sample);
  }
});

test('bytes that differ are texts that differ', () => {
  const texts = Array.from({ length: 256 }, (_, byte) => textOfBytes(Uint8Array.of(0x61, byte)));
  assert.equal(new Set(texts).size, 256);
});
