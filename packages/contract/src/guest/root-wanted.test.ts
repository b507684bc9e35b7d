import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodeRootWanted, type RootWanted } from './root-wanted.ts';

test('what is asked of a machine whose files are only read is written as the sample says', () => {
  const sample = JSON.parse(readFileSync(new URL('../../vectors/root.json', import.meta.url), 'utf8')) as {
    wanted: RootWanted;
    request: RootWanted;
  };
  assert.deepEqual(encodeRootWanted(sample.wanted), sample.request);
});
