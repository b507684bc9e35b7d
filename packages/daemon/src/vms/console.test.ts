import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanLines } from './console.ts';

test('what a terminal would obey is taken out of the console', () => {
  const hostile = '\u001b[2J\u001b]0;title\u0007[ 0.1] Kernel panic\r\r\n\r\n\u009b31mred\u0000\u0007\n';
  assert.deepEqual(cleanLines(hostile), ['[ 0.1] Kernel panic', 'red']);
});
