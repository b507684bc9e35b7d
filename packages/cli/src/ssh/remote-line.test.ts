import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { remoteLine } from './remote-line.ts';

test('one word is a line for the shell; several reach the command as they are', () => {
  assert.equal(remoteLine(['cd /x && ls']), 'cd /x && ls');
  const words = ['printf', '%s|', 'a  b', "it's", '$HOME', '', '*', 'new\nline'];
  assert.equal(
    execFileSync('sh', ['-c', remoteLine(words)], { encoding: 'utf8' }),
    words.slice(2).join('|').concat('|'),
  );
});
