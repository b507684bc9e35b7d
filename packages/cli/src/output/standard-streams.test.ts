import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isReaderGone, outputLost } from './standard-streams.ts';

const TERMINAL = { isTTY: true };
const FILE = {};

test('a reader that is gone is told from a disk that fails', () => {
  for (const [code, stream, isGone] of [
    ['EPIPE', FILE, true],
    ['EIO', TERMINAL, true],
    ['EIO', FILE, false],
    ['ENOSPC', FILE, false],
    ['EDQUOT', FILE, false],
  ] as const) {
    assert.equal(isReaderGone(Object.assign(new Error(), { code }), stream), isGone, code);
  }
});

test('whatever the system says against writing is told in words, with its name', () => {
  for (const code of ['ENOSPC', 'EDQUOT', 'EIO', 'EFBIG', 'EBADF', 'EROFS']) {
    const { message, hint, details } = outputLost(Object.assign(new Error(`${code}: words, write`), { code }));
    assert.match(message, new RegExp(`^What this command printed could not be written: .*${code}.*[.]$`));
    assert.ok(hint);
    assert.deepEqual(details, { errno: code });
  }
});
