import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bringsFilters } from './own-filters.ts';

test("a program of the host's libc has none, a static one has, and of what is no program nobody knows", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-filters-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'program');
  assert.equal(await bringsFilters('/bin/true'), false);
  const header = Buffer.alloc(64 + 56);
  header.write('7f454c46', 'hex');
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64);
  writeFileSync(path, header);
  assert.equal(await bringsFilters(path), true);
  header.writeBigUInt64LE(2n ** 60n, 32);
  for (const bytes of [header, header.subarray(0, 60), '#!/bin/sh\nexec firecracker "$@"\n'.padEnd(200)]) {
    writeFileSync(path, bytes);
    assert.equal(await bringsFilters(path), null);
  }
  assert.equal(await bringsFilters(join(folder, 'nothing')), null);
});
