import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, formatSize, parseSizeBytes } from './sizes.ts';

test('sizes are binary, whatever way the unit is written', () => {
  for (const text of ['2G', '2GiB', '2gb', ' 2 G ']) assert.equal(parseSizeBytes(text), 2 * 2 ** 30);
  assert.equal(parseSizeBytes('1.5T'), 1.5 * 2 ** 40);
  assert.equal(parseSizeBytes('4096'), 4096);
});

test('what is not a size is refused with a hint', () => {
  for (const text of ['', '0', '-1G', '1X', 'G', '1e9', '9999999999T', '1G; rm']) {
    assert.throws(() => parseSizeBytes(text), { code: 'BAD_SIZE' }, text);
  }
});

test('sizes and durations print short', () => {
  assert.equal(formatSize(8 * 2 ** 30), '8G');
  assert.equal(formatSize(1.5 * 2 ** 30), '1.5G');
  assert.equal(formatSize(100), '100B');
  assert.equal(formatDuration(80), '80 ms');
  assert.equal(formatDuration(2345), '2.3 s');
  assert.equal(formatDuration(245_000), '4 min 05 s');
});
