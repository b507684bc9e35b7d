import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SAMPLE_VM as vm } from './sample-vm.ts';
import { createVmFolders } from './vm-folders.ts';
import { createVmManifests, readVmManifest } from './vm-manifest.ts';

test('a vm with more workspaces than its folder tells of is read back, with the newest', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-manifest-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const folders = createVmFolders({ dataFolder: join(folder, 'data'), runtimeFolder: join(folder, 'run') });
  mkdirSync(folders.of(vm.id).data, { recursive: true });
  const list = Array.from({ length: 1200 }, (_, index) => ({
    vmId: vm.id,
    path: `/root/${'deep/'.repeat(400)}${index}`,
    repoPath: `/home/mia/${'deep/'.repeat(400)}${index}`,
    baseCommit: 'c'.repeat(40),
    tree: 'd'.repeat(40),
    hasGit: true,
    importedAt: new Date(index * 1000).toISOString(),
  }));
  const log = { info: () => {}, warn: () => {} };
  await createVmManifests({ folders, workspaces: { list: () => list }, log }).write(vm);
  const told = readVmManifest(folders, vm.id);
  assert.equal(told?.workspaces.length, 1000);
  assert.equal(told?.workspaces[0]?.path, list.at(-1)?.path);
});
