import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { VmId } from '@banger/contract/names.ts';
import { MIGRATIONS } from './migrations.ts';
import type { VmRecord } from './records/vms.ts';
import { SAMPLE_VM } from './sample-vm.ts';
import { openStore } from './store.ts';

function makePath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-store-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'state.sqlite');
}

const THEN = '2026-01-02T00:00:00.000Z';

const vm: VmRecord = { ...SAMPLE_VM, state: { is: 'creating' }, fault: null, ephemeral: true };

test('a vm is read back as it was written, also after the store was opened anew', (t) => {
  const path = makePath(t);
  const store = openStore(path);
  store.vms.insert(vm);
  const stopped: VmRecord = {
    ...vm,
    state: { is: 'stopped', why: 'crashed', at: THEN },
    fault: { code: 'VM_LOST', message: 'm', at: THEN },
    cpus: 4,
    ...{ allow: ['host', 'machines'], place: { subnet: 11, lease: 4094 } },
  };
  store.vms.update(stopped);
  store.close();
  const again = openStore(path);
  assert.deepEqual(again.vms.findByName('web'), stopped);
  assert.deepEqual(again.vms.findById(vm.id), stopped);
  assert.deepEqual(again.vms.list(), [stopped]);
  again.vms.remove(vm.id);
  assert.equal(again.vms.findById(vm.id), null);
  again.close();
});

test('what was brought into a vm goes with it', (t) => {
  const store = openStore(makePath(t));
  store.vms.insert(vm);
  const workspace = {
    vmId: vm.id,
    path: '/root/x',
    repoPath: '/x',
    baseCommit: null,
    tree: 'a'.repeat(40),
    hasGit: true,
    importedAt: THEN,
  };
  store.workspaces.put({ ...workspace, tree: 'b'.repeat(40) });
  store.workspaces.put(workspace);
  assert.deepEqual(store.workspaces.list(vm.id), [workspace]);
  store.vms.remove(vm.id);
  assert.deepEqual(store.workspaces.list(vm.id), []);
  store.close();
});

test('what an image says of running it, and where it was pulled from, is read back, and that one says nothing', (t) => {
  const path = makePath(t);
  const store = openStore(path);
  const named = { digest: SAMPLE_VM.imageDigest, source: 'import', sizeBytes: 1, createdAt: THEN } as const;
  const config = {
    env: ['A=b'],
    user: 'app',
    workingDir: '/srv',
    entrypoint: [],
    command: ['x'],
    stopSignal: 'SIGINT',
  };
  const pulled = { ref: 'ghcr.io/org/app:1', manifestDigest: SAMPLE_VM.kernelDigest };
  const images: Parameters<typeof store.images.put>[0][] = [
    { ...named, name: 'app', config, pulled: null },
    { ...named, name: 'ghcr.io/org/app:1', source: 'registry', config: null, pulled },
    { ...named, name: 'plain', config: null, pulled: null },
  ];
  for (const image of images) store.images.put(image);
  store.close();
  const again = openStore(path);
  assert.deepEqual(again.images.list(), images);
  again.close();
});

test('two vms cannot have one name', (t) => {
  const store = openStore(makePath(t));
  store.vms.insert(vm);
  assert.throws(() => store.vms.insert({ ...vm, id: 'ba9876543210' as VmId }), /UNIQUE/);
  store.close();
});

test('a state from a newer version is refused and left as it is', (t) => {
  const path = makePath(t);
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
  database.close();
  const before = readFileSync(path);
  assert.throws(() => openStore(path), { code: 'STATE_TOO_NEW' });
  assert.deepEqual(readFileSync(path).subarray(0, 18), before.subarray(0, 18));
  assert.equal(new DatabaseSync(path).prepare('PRAGMA user_version').get()?.user_version, MIGRATIONS.length + 1);
});

test('a file that is no database is refused and left as it is', (t) => {
  const path = makePath(t);
  writeFileSync(path, 'this is not a database, '.repeat(100));
  assert.throws(() => openStore(path), { code: 'STATE_UNREADABLE' });
  assert.equal(readFileSync(path, 'utf8').slice(0, 22), 'this is not a database');
});

test('what is no file is refused at once, and left as it is', (t) => {
  const path = makePath(t);
  for (const [make, part] of [
    [() => execFileSync('mkfifo', [path]), path],
    [() => mkdirSync(path), path],
    [() => symlinkSync('/dev/zero', path), path],
    [() => execFileSync('mkfifo', [`${path}-wal`]), `${path}-wal`],
  ] as const) {
    make();
    const { ino } = lstatSync(part);
    assert.throws(() => openStore(path), { code: 'STATE_UNREADABLE', message: /is no regular file/ });
    assert.equal(lstatSync(part).ino, ino);
    rmSync(part, { recursive: true });
  }
});
