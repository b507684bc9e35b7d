import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { checkCommandSize, MAX_COMMAND_BYTES, MAX_WORD_BYTES } from './command-size.ts';

const tooLong = { code: 'COMMAND_TOO_LONG', message: /Linux takes/ };

/** Words of 100 bytes, as many as fit */
const LONGEST = Array.from({ length: Math.floor(MAX_COMMAND_BYTES / 109) }, () => 'x'.repeat(100));

test('what Linux takes is taken, up to the last word, and no more', () => {
  checkCommandSize({ argv: LONGEST, env: {} });
  assert.throws(() => checkCommandSize({ argv: LONGEST, env: { A: 'b'.repeat(100) } }), tooLong);
  checkCommandSize({ argv: ['x'.repeat(MAX_WORD_BYTES)], env: { A: 'b'.repeat(MAX_WORD_BYTES - 2) } });
  for (const word of ['x'.repeat(MAX_WORD_BYTES + 1), 'é'.repeat(MAX_WORD_BYTES / 2 + 1), 'x'.repeat(5_000_000)]) {
    assert.throws(() => checkCommandSize({ argv: [word], env: {} }), tooLong);
  }
  assert.throws(() => checkCommandSize({ argv: [], env: { A: 'b'.repeat(MAX_WORD_BYTES - 1) } }), tooLong);
});

test('the kernel of this host agrees', () => {
  const run = (argv: string[]) => spawnSync('/bin/true', argv, { env: { PATH: '/usr/bin:/bin' } }).error;
  assert.equal(run(LONGEST), undefined);
  assert.equal(run(['x'.repeat(MAX_WORD_BYTES)]), undefined);
  assert.match(String(run(['x'.repeat(MAX_WORD_BYTES + 1)])), /E2BIG/);
});
