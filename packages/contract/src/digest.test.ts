import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, digestOfHex, hexOf, isDigest, isMeantBy } from './digest.ts';

const hex = '0123456789abcdef'.repeat(4);
const digest = `sha256:${hex}` as Digest;

test('a digest is sha256 and 64 hex digits, and nothing else', () => {
  assert.ok(isDigest(digest));
  assert.equal(digestOfHex(hex), digest);
  assert.equal(hexOf(digest), hex);
  for (const text of [
    '',
    hex,
    `sha256:${hex}0`,
    `sha256:${hex.toUpperCase()}`,
    `sha256:../${hex.slice(3)}`,
    `${digest}\n`,
  ]) {
    assert.ok(!isDigest(text), text);
  }
  assert.equal(digestOfHex(`${hex.slice(1)}/`), null);
});

test('it is meant by its first eight digits or more', () => {
  for (const ref of [digest, hex, hex.slice(0, 8), `sha256:${hex.slice(0, 12)}`])
    assert.ok(isMeantBy(digest, ref), ref);
  for (const ref of ['', 'sha256:', hex.slice(0, 7), '12345678', `${hex}0`, 'sha256:*'])
    assert.ok(!isMeantBy(digest, ref), ref);
});
