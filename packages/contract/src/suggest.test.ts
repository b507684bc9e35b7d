import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearest } from './suggest.ts';

test('letters that are added, dropped, changed or swapped count one each', () => {
  assert.equal(editDistance('memory', 'memory'), 0);
  assert.equal(editDistance('memroy', 'memory'), 1);
  assert.equal(editDistance('memry', 'memory'), 1);
  assert.equal(editDistance('memoory', 'memory'), 1);
  assert.equal(editDistance('', 'abc'), 3);
});

test('a word that is far from all is nobody’s mistake', () => {
  assert.equal(nearest('stat', ['start', 'stop', 'rm']), 'start');
  assert.equal(nearest('xyz', ['start', 'stop', 'rm']), null);
});
