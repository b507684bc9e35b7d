import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '@banger/contract/digest.ts';
import { parseVmName, type VmId } from '@banger/contract/names.ts';
import type { ImageRecord } from '../store/records/images.ts';
import type { VmFacts, VmRecord } from '../store/records/vms.ts';
import { SAMPLE_VM } from '../store/sample-vm.ts';
import { type Findings, planRecovery, type StateRecords, type VmFolderFound } from './plan-recovery.ts';

const NOW = '2026-06-01T00:00:00.000Z';
const digestOf = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;
const DIGEST = { a: digestOf('a'), b: digestOf('b'), c: digestOf('c') };
const CONFIG = { env: ['A=b'], user: null, workingDir: null, entrypoint: [], command: ['x'], stopSignal: null };
const NOTHING: StateRecords = { vms: [], workspaces: [], images: [], kernels: [] };

const facts = (id: string, name: string, more: Partial<VmFacts> = {}): VmFacts => ({
  ...SAMPLE_VM,
  id: id.repeat(12) as VmId,
  name: parseVmName(name),
  ...more,
});
const stopped = (vm: VmFacts): VmRecord => ({
  ...vm,
  state: { is: 'stopped', why: 'shut-down', at: NOW },
  fault: null,
});
const folderOf = (vm: VmFacts, more: Partial<VmFolderFound> = {}): VmFolderFound => ({
  ...{ id: vm.id, hasDisk: true, manifest: { v: 1, vm, workspaces: [] }, run: null },
  ...more,
});
const plan = (findings: Partial<Findings>) =>
  planRecovery({ present: null, copies: [], vms: [], images: [], kernels: [], ...findings }, NOW);

test('what a record said that can be read is kept, with the sizes that its folder tells', () => {
  const old = facts('1', 'web');
  const { records } = plan({
    present: { ...NOTHING, vms: [{ ...stopped(old), fault: { code: 'VM_LOST', message: 'm', at: NOW } }] },
    vms: [folderOf({ ...old, cpus: 4 })],
  });
  assert.deepEqual([records.vms[0]?.cpus, records.vms[0]?.fault?.code], [4, 'VM_LOST']);
});

test('a machine that may run is recovered as one that runs', () => {
  const ref = { pid: 1, startTicks: 2, driver: 'qemu', accel: 'tcg', runtimeFolder: '/run/x' } as const;
  const machine = { ...ref, hasOwnFolder: true };
  const { records } = plan({ vms: [folderOf(facts('1', 'web'), { run: { machine, network: 'routed' } })] });
  assert.deepEqual(records.vms[0]?.state, { is: 'running', since: NOW, machine, network: 'routed' });
});

test('a vm without a disk, one that nobody keeps, and one that says nothing are left', () => {
  const { records, items } = plan({
    vms: [
      folderOf(facts('1', 'no-disk'), { hasDisk: false }),
      folderOf(facts('2', 'passing', { ephemeral: true })),
      folderOf(facts('3', 'silent'), { manifest: null }),
    ],
  });
  assert.deepEqual(records.vms, []);
  assert.deepEqual(
    items.map(({ is }) => is),
    ['left', 'left', 'left'],
  );
});

test('of two vms with one name the recorded one keeps it', () => {
  const long = parseVmName(`a${'b'.repeat(62)}`);
  const { records } = plan({
    present: { ...NOTHING, vms: [stopped(facts('1', long))] },
    vms: [folderOf(facts('2', long)), folderOf(facts('1', long))],
  });
  const [first, second] = records.vms.map(({ name }) => name);
  assert.equal(first, long);
  assert.equal(parseVmName(String(second)), `${long.slice(0, 50)}-222222222222`);
});

test('a workspace is told by who knows of the newest import', () => {
  const vm = facts('1', 'web');
  const workspace = (tree: string, importedAt: string) => ({
    ...{ path: '/root/x', repoPath: '/x', baseCommit: null, hasGit: true },
    ...{ tree: tree.repeat(40), importedAt },
  });
  const { records } = plan({
    present: {
      ...NOTHING,
      vms: [stopped(vm)],
      workspaces: [{ vmId: vm.id, ...workspace('a', '2026-01-01T00:00:00.000Z') }],
    },
    vms: [folderOf(vm, { manifest: { v: 1, vm, workspaces: [workspace('b', '2026-02-01T00:00:00.000Z')] } })],
  });
  assert.deepEqual(
    records.workspaces.map(({ vmId, tree }) => [vmId, tree]),
    [[vm.id, 'b'.repeat(40)]],
  );
});

test('a name goes to the newest digest that claims it and is here', () => {
  const row = (digest: Digest, createdAt: string): ImageRecord => ({
    ...{ name: 'mine', digest, source: 'import', sizeBytes: 1, createdAt, config: null, pulled: null },
  });
  const folder = (digest: Digest, createdAt: string, isHere = true) => ({
    ...{ digest, facts: isHere ? { digest, sizeBytes: 1, config: CONFIG } : null, isDamaged: false },
    names: [{ name: 'mine', source: 'import' as const, createdAt }],
  });
  const { records, items } = plan({
    present: { ...NOTHING, images: [row(DIGEST.a, '2026-01-01T00:00:00.000Z')] },
    images: [
      folder(DIGEST.a, '2026-01-01T00:00:00.000Z'),
      folder(DIGEST.b, '2026-02-01T00:00:00.000Z'),
      folder(DIGEST.c, '2026-03-01T00:00:00.000Z', false),
    ],
  });
  assert.deepEqual(
    records.images.map(({ digest, config }) => [digest, config]),
    [[DIGEST.b, CONFIG]],
  );
  assert.deepEqual(
    items.map(({ is }) => is),
    ['recovered', 'left'],
  );
});

const MINE: ImageRecord = {
  name: 'mine',
  digest: DIGEST.a,
  source: 'import',
  sizeBytes: 1,
  createdAt: NOW,
  config: null,
  pulled: null,
};

test('a name whose files are gone is kept, and told', () => {
  const { records, items } = plan({ present: { ...NOTHING, images: [MINE] } });
  assert.deepEqual(records.images, [MINE]);
  assert.match(String(items[0]?.note), /files are gone/);
});

test('files that do not match their digest get no name, and are set aside', () => {
  const images = [{ digest: DIGEST.a, names: [MINE], facts: null, isDamaged: true }];
  for (const present of [null, { ...NOTHING, images: [MINE] }]) {
    const { records, items, setAside } = plan({ present, images });
    const from = `images/${'a'.repeat(64)}`;
    assert.deepEqual(records.images, present?.images ?? []);
    assert.deepEqual(setAside, [{ from, to: `${from}.damaged-20260601T000000000Z` }]);
    assert.match(String(items.at(-1)?.note), /do not match/);
  }
});
