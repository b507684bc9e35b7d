import assert from 'node:assert/strict';
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { allocatedBytesOf } from './allocated-bytes.ts';

test('what a folder takes is its blocks, each file once, and nothing when it is gone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-measure-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'deep'));
  const empty = await allocatedBytesOf(folder);
  writeFileSync(join(folder, 'deep/file'), Buffer.alloc(100_000, 1));
  linkSync(join(folder, 'deep/file'), join(folder, 'again'));
  const taken = (await allocatedBytesOf(folder)) - empty;
  assert.ok(taken >= 100_000 && taken < 150_000, String(taken));
  assert.equal(await allocatedBytesOf(join(folder, 'no-such')), 0);
});
