import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Digest } from '@banger/contract/digest.ts';
import { createBuilt } from './built.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;

test('what an image was built from is known for that image alone, as long as it is that one', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-built-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'cache/built.json');
  const built = createBuilt(file);
  const app = { name: 'app', digest: digest('a') };
  assert.equal(built.has(app), false);
  await built.add({ ...app, from: digest('1') });
  await built.add({ name: 'other', digest: digest('b'), from: digest('2') });
  const again = createBuilt(file);
  assert.deepEqual([again.isFrom(app, digest('1')), again.isFrom(app, digest('2'))], [true, false]);
  assert.equal(again.has({ ...app, digest: digest('b') }), false, 'the name means another image by now');
  assert.equal(again.has({ name: 'other', digest: null }), false);

  await built.add({ ...app, from: digest('3') });
  assert.deepEqual([again.isFrom(app, digest('1')), again.isFrom(app, digest('3'))], [false, true]);
  const many = Array.from({ length: 500 }, (_, at) => ({ name: `x${at}`, digest: digest('c'), from: digest('4') }));
  writeFileSync(file, JSON.stringify(many));
  await built.add({ ...app, from: digest('1') });
  const known = ['x0', 'x1'].map((name) => built.has({ name, digest: digest('c') }));
  assert.deepEqual([...known, built.has(app)], [false, true, true], 'the oldest has made room');

  writeFileSync(file, '[{"name": 7}]');
  assert.equal(built.has(app), false, 'what is damaged is as good as lost');
});
