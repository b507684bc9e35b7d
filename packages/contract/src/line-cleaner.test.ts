import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLineCleaner } from './line-cleaner.ts';

test('lines are told cleaned and bounded, however they are cut and ended', () => {
  const said = `ünïcode\r\n\r\n \n\u001b[31mred\u202e\rlast ${'x'.repeat(2000)}\nrest`;
  const expected = ['ünïcode', 'red', `last ${'x'.repeat(995)}`, 'rest'];
  for (const piece of [1, 2, 3, 7, 5000]) {
    const told: string[] = [];
    const lines = createLineCleaner((line) => told.push(line));
    const bytes = Buffer.from(said);
    for (let at = 0; at < bytes.length; at += piece) lines.add(bytes.subarray(at, at + piece));
    lines.end();
    assert.deepEqual(told, expected, `in pieces of ${piece}`);
  }
});
