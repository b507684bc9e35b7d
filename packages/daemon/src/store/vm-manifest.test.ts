import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Digest } from '@banger/contract/digest.ts';
import { parseVmName, type VmId } from '@banger/contract/names.ts';
import { createVmFolders } from './vm-folders.ts';
import { createVmManifests, readVmManifest } from './vm-manifest.ts';

const vm = {
  id: '0123456789ab' as VmId,
  name: parseVmName('web'),
  imageName: 'debian',
  imageDigest: `sha256:${'a'.repeat(64)}` as Digest,
  kernelName: 'debian',
  kernelDigest: `sha256:${'b'.repeat(64)}` as Digest,
  cpus: 2,
  memoryBytes: 1,
  diskBytes: 2,
  publish: [],
  hostPorts: [],
  ephemeral: false,
  machineId: 'f'.repeat(32),
  createdAt: '2026-01-01T00:00:00.000Z',
};

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
