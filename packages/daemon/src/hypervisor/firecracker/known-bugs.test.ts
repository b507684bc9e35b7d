import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownBugsOf } from './known-bugs.ts';

test('a bug is told of the versions that have it', () => {
  const counts = ['1.15.1', '1.16.0', '1.16.1', '1.16.12', '1.17.0', '1.17.0-dev', '2.0.0'].map(
    (version) => knownBugsOf(version).length,
  );
  assert.deepEqual(counts, [0, 1, 1, 1, 0, 0, 0]);
});
