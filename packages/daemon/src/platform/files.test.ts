import assert from 'node:assert/strict';
import { mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { makePrivateFolder } from './files.ts';

test('folders that are made beside one another in a folder that is not there yet are all made, and closed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-files-'));
  for (let round = 0; round < 50; round += 1) {
    const wanted = Array.from({ length: 10 }, (_, index) => join(folder, `${round}/run/vms/${index}`));
    const made = wanted.map(async (path, turns) => {
      for (let turn = 0; turn < turns; turn += 1) await nextTurn(); // each comes a little later than the one before
      await makePrivateFolder(path);
    });
    await Promise.all(made);
    for (const path of wanted) assert.equal(statSync(path).mode & 0o777, 0o700);
  }
});

test('a folder that the kernel does not let anybody make is told, and ends', async () => {
  await assert.rejects(makePrivateFolder('/proc/banger/vms'), { code: 'ENOENT' });
});
