import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { Digest } from '@banger/contract/digest.ts';
import { openStore } from '../store/store.ts';
import { readState } from './read-state.ts';

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-state 100%#'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const image = {
  name: 'mine',
  digest: `sha256:${'a'.repeat(64)}` as Digest,
  source: 'import',
  sizeBytes: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
  config: null,
  pulled: null,
} as const;

function snapshot(folder: string): string[] {
  return readdirSync(folder).map((name) => {
    const { mtimeNs, size, ino } = statSync(join(folder, name), { bigint: true });
    return `${name} ${ino} ${size} ${mtimeNs}`;
  });
}

test('no state yet passes, with a word on why', (t) => {
  const { check, records } = readState(join(makeFolder(t), 'state.sqlite'));
  assert.equal(check.status, 'pass');
  assert.match(check.text, /none yet/);
  assert.deepEqual(records, { vms: [], images: [], kernels: [], damaged: [] });
});

test('what a daemon has just written is read, and not one byte is changed', (t) => {
  const folder = makeFolder(t);
  const path = join(folder, 'state.sqlite');
  const store = openStore(path);
  store.images.put(image);

  const crashed = join(folder, 'crashed');
  mkdirSync(crashed);
  for (const end of ['', '-wal', '-shm']) copyFileSync(`${path}${end}`, join(crashed, `state.sqlite${end}`));
  for (const [where, what] of [
    [folder, 'while a daemon runs'],
    [crashed, 'after a crash'],
  ] as const) {
    const before = snapshot(where);
    const { check, records } = readState(join(where, 'state.sqlite'));
    assert.deepEqual([check.status, records?.images[0]?.name], ['pass', 'mine'], what);
    assert.deepEqual(snapshot(where), before, what);
  }

  store.close();
  const before = snapshot(folder);
  assert.equal(readState(path).records?.images[0]?.name, 'mine');
  assert.deepEqual(snapshot(folder), before);
});

test('one that a daemon has for itself, as on a full disk, is not told as damaged', (t) => {
  const path = join(makeFolder(t), 'state.sqlite');
  openStore(path).close();
  using alone = new DatabaseSync(path);
  alone.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA user_version = 1');
  const { check, records } = readState(path);
  assert.deepEqual([check.status, check.fix, records], ['warn', 'banger daemon stop', null]);
});

test('a state from a newer version, one that is no database and one that is no file fail', (t) => {
  const folder = makeFolder(t);
  const newer = join(folder, 'newer.sqlite');
  const database = new DatabaseSync(newer);
  database.exec('PRAGMA user_version = 999');
  database.close();
  const broken = join(folder, 'broken.sqlite');
  writeFileSync(broken, 'not a database at all '.repeat(500));
  const pipe = join(folder, 'pipe.sqlite');
  execFileSync('mkfifo', [pipe]); // nobody ever writes to it
  for (const [path, words] of [
    [newer, /version 999/],
    [broken, /cannot be read/],
    [pipe, /is no regular file/],
  ] as const) {
    const { check, records } = readState(path);
    assert.deepEqual([check.status, records], ['fail', null]);
    assert.match(check.text, words);
  }
});
