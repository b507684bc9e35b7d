import assert from 'node:assert/strict';
import * as files from 'node:fs';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkOwnFolder, checkTrustedPath, type FolderFiles, makeOwnFolder } from './own-folder.ts';

type Entry = { uid?: number; gid?: number; mode?: number; to?: string };

/** A host on which each path is root's 0755 folder unless it says otherwise; ada is 1000. */
function hostWith(entries: Record<string, Entry>, uid = 1000) {
  const files: FolderFiles = {
    lstatSync: (path) => {
      const entry = entries[path.replace(/\/\.$/, '')];
      if (entry === undefined) return undefined;
      const { uid = 0, gid = uid, mode = 0o755, to } = entry;
      return { uid, gid, mode, isDirectory: () => to === undefined, isSymbolicLink: () => to !== undefined };
    },
    readlinkSync: (path) => entries[path]?.to ?? '',
    mkdirSync: () => {},
    chmodSync: () => {},
  };
  return { uid, files };
}

const ada = { uid: 1000 };
const eve = { uid: 7 };

for (const { does, path, entries, isSafe, uid } of [
  { does: 'is its own below root', path: '/home/ada', entries: { '/home': {}, '/home/ada': ada }, isSafe: true },
  { does: 'is not there yet', path: '/home/ada/x/y', entries: { '/home': {}, '/home/ada': ada }, isSafe: true },
  { does: 'lies below somebody else', path: '/home/eve/x', entries: { '/home': {}, '/home/eve': eve }, isSafe: false },
  {
    does: "is a user's, for root",
    path: '/home/ada',
    entries: { '/home': {}, '/home/ada': ada },
    isSafe: false,
    uid: 0,
  },
  { does: 'lies in an open folder', path: '/a/b', entries: { '/a': { mode: 0o777 }, '/a/b': ada }, isSafe: false },
  { does: 'lies in a sticky one', path: '/tmp/b', entries: { '/tmp': { mode: 0o1777 }, '/tmp/b': ada }, isSafe: true },
  { does: 'is sticky itself', path: '/a', entries: { '/a': { ...ada, mode: 0o1777 } }, isSafe: false },
  { does: 'is open to a group', path: '/a', entries: { '/a': { ...ada, gid: 100, mode: 0o775 } }, isSafe: false },
  { does: "is open to its user's group", path: '/a', entries: { '/a': { ...ada, mode: 0o775 } }, isSafe: true },
  { does: "is root's", path: '/a', entries: { '/a': {} }, isSafe: false },
  {
    does: 'is behind its own link',
    path: '/l/b',
    entries: { '/l': { ...ada, to: 'a' }, '/a': {}, '/a/b': ada },
    isSafe: true,
  },
  { does: "is behind root's link", path: '/l/b', entries: { '/l': { to: '/a' }, '/a/b': ada }, isSafe: true },
  {
    does: 'is behind a link of somebody else',
    path: '/l',
    entries: { '/l': { ...eve, to: '/a' }, '/a': ada },
    isSafe: false,
  },
  {
    does: 'is behind a link into an open folder',
    path: '/l',
    entries: { '/l': { ...ada, to: '/o/a' }, '/o': { mode: 0o777 }, '/o/a': ada },
    isSafe: false,
  },
  {
    does: 'is behind a link that goes up',
    path: '/d/l',
    entries: { '/d': {}, '/d/l': { ...ada, to: '../e/a' }, '/e': eve, '/e/a': ada },
    isSafe: false,
  },
  { does: 'is behind a link to itself', path: '/l', entries: { '/l': { ...ada, to: 'l' } }, isSafe: false },
]) {
  test(`a folder that ${does} is ${isSafe ? 'taken' : 'refused'}`, () => {
    const check = () => checkOwnFolder(path, hostWith(entries, uid));
    if (isSafe) check();
    else assert.throws(check, { code: 'FOLDER_UNSAFE' });
  });
}

test("a file that is only read may be root's", () => {
  checkTrustedPath('/etc/x', hostWith({ '/etc': {}, '/etc/x': {} }));
  assert.throws(() => checkTrustedPath('/etc/x', hostWith({ '/etc': {}, '/etc/x': eve })), { code: 'FOLDER_UNSAFE' });
});

test('a folder is made closed to others, and one that is there is closed', (t) => {
  const { folder, owner } = hereFor(t);
  makeOwnFolder(join(folder, 'a/b'), owner);
  mkdirSync(join(folder, 'open'), { mode: 0o755 });
  makeOwnFolder(join(folder, 'open'), owner);
  for (const path of ['a', 'a/b', 'open']) assert.equal(statSync(join(folder, path)).mode & 0o777, 0o700);
});

test('what can be no folder is told as such', (t) => {
  const { folder, owner } = hereFor(t);
  writeFileSync(join(folder, 'file'), '');
  symlinkSync('nowhere', join(folder, 'dangling'));
  for (const path of [
    '/proc/banger',
    '/proc/self/x/banger',
    join(folder, 'file'),
    join(folder, 'file/x'),
    join(folder, 'dangling'),
  ])
    assert.throws(() => makeOwnFolder(path, owner), { code: 'FOLDER_UNUSABLE' }, path);
});

test('a folder that others can write to is refused, not closed: what is in it may be theirs', (t) => {
  const { folder, owner } = hereFor(t);
  mkdirSync(join(folder, 'open'));
  chmodSync(join(folder, 'open'), 0o777);
  assert.throws(() => makeOwnFolder(join(folder, 'open'), owner), { code: 'FOLDER_UNSAFE', message: /by others/ });
});

function hereFor(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-own-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return { folder, owner: { uid: process.getuid?.() ?? 0, files } };
}
