/** Files that the user names and the command writes: whole, or as they were. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { writeNotes } from '@banger/contract/notes-header.ts';
import { startFakeDaemon } from '@banger/sdk/testing/fake-daemon.ts';
import { finish, runShell, start } from './testing/run-banger.ts';

const EXPORT = 'banger vm workspace export web --patch';
const PATCH = 'x'.repeat(8000);

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-write-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function startDaemonWithPatch(content = PATCH) {
  const daemon = await startFakeDaemon();
  daemon.routes['GET /v1/vms/web/workspace/diff*'] = (_, response) => void response.end(content);
  daemon.routes['GET /v1/ssh'] = (_, response) => void response.end('{"configPath":"/x/config"}');
  return daemon;
}

test('a patch that does not fit leaves nothing, or what was there before, and tells the fault of the system', async (t) => {
  await using daemon = await startDaemonWithPatch();
  const folder = folderOf(t);
  const small = `trap "" XFSZ; ulimit -f 4; cd ${folder};`; // kilobytes
  const { code, stderr } = await runShell(daemon.env, `${small} ${EXPORT} p`);
  assert.match(stderr, /^banger: .*\/p cannot be written \(EFBIG\)\. \(FILE_TOO_LARGE\)\n {2}hint: /);
  assert.equal(code, 74);
  assert.deepEqual(readdirSync(folder), []);

  writeFileSync(join(folder, 'p'), 'before');
  assert.match((await runShell(daemon.env, `${small} ${EXPORT} p --force`)).stderr, /FILE_TOO_LARGE/);
  assert.equal(readFileSync(join(folder, 'p'), 'utf8'), 'before');
  assert.match((await runShell(daemon.env, `${EXPORT} /dev/full --force`)).stderr, /\/dev\/full .*\(DISK_FULL\)/);
  assert.deepEqual(readdirSync(folder), ['p']);
});

test('a patch on a disk that is full, or can only be read, leaves nothing there', async (t) => {
  const folder = folderOf(t);
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  const mount = (...words: string[]) => spawnSync('mount', [...words, disk]).status === 0;
  if (!mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs')) return t.skip('this host lets nobody mount');
  using _ = { [Symbol.dispose]: () => void spawnSync('umount', [disk]) };
  await using daemon = await startDaemonWithPatch('x'.repeat(200_000));
  const full = await runShell(daemon.env, `${EXPORT} ${disk}/p`);
  assert.match(full.stderr, /cannot be written \(ENOSPC\)\. \(DISK_FULL\)/);
  assert.deepEqual(readdirSync(disk), []);
  assert.ok(mount('-o', 'remount,ro'));
  assert.match((await runShell(daemon.env, `${EXPORT} ${disk}/p`)).stderr, /\(EROFS\)\. \(DISK_READ_ONLY\)/);
});

test('a patch is not written over a file, and over no folder; forced, it keeps mode, link and device', async (t) => {
  await using daemon = await startDaemonWithPatch();
  const folder = folderOf(t);
  const within = (script: string) => runShell(daemon.env, `cd ${folder}; umask 027; ${script}`);
  assert.equal((await within(`${EXPORT} new`)).code, 0);
  assert.equal(lstatSync(join(folder, 'new')).mode & 0o777, 0o640);

  writeFileSync(join(folder, 'file'), 'before', { mode: 0o600 });
  symlinkSync('file', join(folder, 'link'));
  symlinkSync('nowhere', join(folder, 'dangling'));
  for (const name of ['file', 'link', 'dangling', '.', '/dev/null']) {
    const { code, stderr } = await within(`${EXPORT} ${name}`);
    assert.match(stderr, /\(FILE_EXISTS\)\n {2}hint: .*--force/, name);
    assert.equal(code, 73);
  }
  assert.equal(daemon.requests.length, 1, 'it is told before the guest is asked');

  assert.equal((await within(`${EXPORT} link --force`)).code, 0);
  assert.equal(readFileSync(join(folder, 'file'), 'utf8'), PATCH);
  assert.equal(lstatSync(join(folder, 'file')).mode & 0o777, 0o600);
  assert.ok(lstatSync(join(folder, 'link')).isSymbolicLink());
  assert.equal((await within(`${EXPORT} /dev/null --force`)).code, 0);
  assert.ok(lstatSync('/dev/null').isCharacterDevice());
  assert.match((await within(`${EXPORT} . --force`)).stderr, /is a folder\. \(FILE_EXISTS\)/);
  assert.match((await within(`${EXPORT} no/p`)).stderr, /\(ENOENT\)\. \(FILE_NOT_FOUND\)/);
  assert.match((await within(`${EXPORT} dangling --force`)).stderr, /\(FILE_NOT_FOUND\)/);
  const piped = await within(`mkfifo pipe; cat pipe >read & ${EXPORT} pipe --force; wait; wc -c <read`);
  assert.equal(piped.stdout.trim(), String(PATCH.length), piped.stderr);
  assert.deepEqual(readdirSync(folder).sort(), ['dangling', 'file', 'link', 'new', 'pipe', 'read']);
});

test('a patch that is interrupted leaves nothing', async (t) => {
  await using daemon = await startDaemonWithPatch();
  const folder = folderOf(t);
  const { promise: isAsked, resolve } = Promise.withResolvers<void>();
  daemon.routes['GET /v1/vms/web/workspace/diff*'] = (_, response) => {
    response.write(PATCH);
    resolve();
  };
  const child = start(daemon.env, ['vm', 'workspace', 'export', 'web', '--patch', join(folder, 'p')]);
  const ended = finish(child);
  await isAsked;
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  assert.match(stderr, /\(CANCELLED\)/);
  assert.equal(code, 130);
  assert.deepEqual(readdirSync(folder), []);
});

test('notes of a diff and a patch are told, in JSON too, without what could drive a terminal', async (t) => {
  await using daemon = await startDaemonWithPatch('a diff\n');
  const folder = folderOf(t);
  const notes = ['Left out: a\u202e\u001b[2Jb.'];
  daemon.routes['GET /v1/vms/web/workspace/diff*'] = (_, response) => {
    response.setHeader('banger-notes', writeNotes(notes));
    response.end('a diff\n');
  };
  const within = (line: string) => runShell(daemon.env, `cd ${folder}; banger vm workspace ${line}`);
  const told = 'Left out: a b.\n';
  assert.deepEqual(await within('diff web'), { code: 0, stdout: 'a diff\n', stderr: told });
  assert.deepEqual(await within('diff web --quiet'), { code: 0, stdout: 'a diff\n', stderr: '' });
  assert.deepEqual(await within('export web --patch -'), { code: 0, stdout: 'a diff\n', stderr: told });
  assert.ok((await within('export web --patch p')).stderr.startsWith(told));
  assert.deepEqual(JSON.parse((await within('diff web --json')).stdout), { vm: 'web', diff: 'a diff\n', notes });
  const path = join(folder, 'q');
  assert.deepEqual(JSON.parse((await within('export web --patch q --json')).stdout), { patch: path, notes });
  assert.deepEqual(JSON.parse((await within('export web --patch - --json')).stderr), { patch: '-', notes });
});

test("the user's ssh config stays as it was when it cannot be written, and the system's fault is told", async () => {
  await using daemon = await startDaemonWithPatch();
  const folder = join(daemon.env.HOME ?? '', '.ssh');
  mkdirSync(folder);
  const before = `Host *\n${'# a line\n'.repeat(2000)}`;
  writeFileSync(join(folder, 'config'), before);
  const script = 'trap "" XFSZ; ulimit -f 4; banger ssh-config --install';
  assert.match((await runShell(daemon.env, script)).stderr, /config cannot be written \(EFBIG\)\. \(FILE_TOO_LARGE\)/);
  assert.equal(readFileSync(join(folder, 'config'), 'utf8'), before);
  assert.deepEqual(readdirSync(folder), ['config']);
});
