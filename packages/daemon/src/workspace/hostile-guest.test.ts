/** A guest that lies. Whatever it sends, the owner's repository stays as it is, to the byte. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { encodeChunks, encodeFrame, FRAME } from '@banger/contract/guest/frames.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import type { Guest } from '../guest/guest.ts';
import { Task } from '../platform/task.ts';
import type { WorkspaceRecord } from '../store/records/workspaces.ts';
import { createVmFolders } from '../store/vm-folders.ts';
import { createWorkspaces } from './workspace.ts';
import { WORKSPACE_LIMITS } from './workspace-parts.ts';

const ENV = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' };
const WHO = ['-c', 'user.name=x', '-c', 'user.email=x@x'];
const ADDRESS = 'branch';

async function setUp(t: TestContext, limits = WORKSPACE_LIMITS) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-hostile-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const repo = join(folder, 'repo');
  mkdirSync(repo);
  const git = (...args: string[]) => runGit(repo, args);
  git('init', '-q', '-b', 'main');
  writeFileSync(join(repo, 'file'), 'one\n');
  writeFileSync(join(repo, '.gitmodules'), '');
  symlinkSync('/etc/hostname', join(repo, 'mine'));
  git('add', '-A');
  git(...WHO, 'commit', '-q', '-m', 'first');

  const records: WorkspaceRecord[] = [];
  let answer: () => Iterable<Buffer> = () => [];
  const guest = { exec: async (_task: Task, start: ExecStart) => play(start, () => answer()) } as unknown as Guest;
  const workspaces = createWorkspaces({
    records: { list: () => records, put: (record) => void records.splice(0, 1, record) },
    folders: createVmFolders({ dataFolder: join(folder, 'data'), runtimeFolder: join(folder, 'run') }),
    vms: { find: () => ({ id: '0123456789ab', name: 'web' }), guest: async () => guest },
    ownerEnv: ENV,
    scratchFolder: join(folder, 'scratch'),
    now: () => new Date(0),
    limits,
  });
  const request = { repo, includeUntracked: false, skipSubmodules: false, history: 'shallow', force: false } as const;
  await workspaces.importInto(Task.background(), 'web', request);

  /** What the guest has: a clone, in which anything can be made */
  const evil = join(folder, 'evil');
  runGit(folder, ['clone', '-q', repo, evil]);
  const inGuest = (...args: string[]) => runGit(evil, args);
  const base = inGuest('rev-parse', 'HEAD');
  const importedTree = inGuest('rev-parse', 'HEAD^{tree}');
  return {
    folder,
    repo,
    workspaces,
    evil,
    inGuest,
    base,
    importedTree,
    offer,
    offerCommit,
    commit,
    offerBytes,
    exported,
    diffed,
    object,
    tree,
  };

  function offerBytes(bytes: () => Iterable<Buffer>): void {
    answer = bytes;
  }

  /** The guest commits this tree and sends what a good guest would send. */
  function offer(treeId: string): void {
    offerCommit(commit(treeId, base, 'evil'), treeId);
  }

  function commit(treeId: string, parent: string, message: string): string {
    return inGuest(...WHO, 'commit-tree', treeId, '-p', parent, '-m', message);
  }

  function offerCommit(id: string, treeId: string): void {
    const input = `${id}\n${treeId}\n^${base}\n`;
    const { stdout } = spawnSync('git', ['pack-objects', '--revs', '--stdout', '-q'], { cwd: evil, env: ENV, input });
    answer = () => [Buffer.from(`banger-workspace ${id} ${id} ${treeId}\n`), stdout];
  }

  function object(type: string, content: string | Buffer): string {
    const args = ['hash-object', '-t', type, '-w', '--literally', '--stdin'];
    return execFileSync('git', args, { cwd: evil, env: ENV, input: content }).toString().trim();
  }

  /** A tree object of exactly these entries, which git itself would not make */
  function tree(...entries: [mode: string, name: string, id: string][]): string {
    const parts = entries.map(([mode, name, id]) => [
      Buffer.from(`${mode} ${name}\0`, 'latin1'),
      Buffer.from(id, 'hex'),
    ]);
    return object('tree', Buffer.concat(parts.flat()));
  }

  async function exported(): Promise<unknown> {
    return workspaces.exportBranch(Task.background(), 'web', { branch: ADDRESS, force: false });
  }

  async function diffed(isPatch: boolean): Promise<string> {
    const stream = await workspaces.diff(Task.background(), 'web', { at: undefined, isPatch });
    return Buffer.concat(await Array.fromAsync(stream)).toString();
  }
}

/** The agent's part: the daemon's scripts are known by how they begin. */
function play({ argv }: ExecStart, answer: () => Iterable<Buffer>): Duplex {
  const isProbe = argv[2]?.includes('no-git');
  const isSnapshot = argv[4] === 'diff' || argv[4] === 'export' || argv[4] === 'check';
  const stdout = isProbe ? [Buffer.from('git\nnew\n')] : isSnapshot ? answer() : [];
  const frames = (function* () {
    for (const bytes of stdout) yield* encodeChunks(FRAME.STDOUT, bytes);
    yield encodeFrame(FRAME.EXIT, '{"code":0}');
  })();
  const hasStdin = !isProbe && !isSnapshot;
  let mayAnswer = !hasStdin;
  const stream = new Duplex({
    write(chunk: Buffer, _encoding, done) {
      if (chunk[0] === FRAME.STDIN_END || chunk.subarray(-5).equals(encodeFrame(FRAME.STDIN_END))) {
        mayAnswer = true;
        stream.push(frames.next().value ?? null);
      }
      done();
    },
    read() {
      if (mayAnswer) setImmediate(() => stream.destroyed || stream.push(frames.next().value ?? null));
    },
  });
  return stream;
}

function runGit(cwd: string, args: string[]): string {
  return execFileSync('git', args, { cwd, env: ENV, stdio: ['ignore', 'pipe', 'pipe'] })
    .toString()
    .trim();
}

/** Every file of the repository, .git included */
function fingerprint(folder: string): string {
  const hash = createHash('sha256');
  for (const name of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    const path = join(folder, name);
    const found = statSync(path, { throwIfNoEntry: false });
    hash.update(`${name} ${found?.mtimeMs} `);
    if (found?.isFile()) hash.update(readFileSync(path));
  }
  return hash.digest('hex');
}

test('trees that reach out are refused, and nothing changes on the host', async (t) => {
  const { repo, offer, offerCommit, commit, exported, diffed, object, tree, base } = await setUp(t);
  const blob = object('blob', '#!/bin/sh\ntouch /tmp/owned\n');
  const link = (target: string) => object('blob', target);
  const hooks = tree(['100755', 'post-checkout', blob]);
  const cases: Record<string, string> = {
    'a .git folder with a hook': tree(['40000', '.git', tree(['40000', 'hooks', hooks])]),
    'a .GIT folder': tree(['40000', '.GIT', hooks]),
    'a .git that Windows would see': tree(['40000', 'git~1', hooks]),
    'a .git that a Mac would see': tree(['40000', Buffer.from('.g\u200cit').toString('latin1'), hooks]),
    'a .git file in a folder': tree(['40000', 'sub', tree(['100644', '.git', blob])]),
    'a name ".."': tree(['40000', '..', hooks]),
    'a name "."': tree(['40000', '.', hooks]),
    'a name with slashes': tree(['100644', '../../etc/cron.d/x', blob]),
    'an absolute name': tree(['100644', '/etc/passwd', blob]),
    'a link to an absolute path': tree(['120000', 'link', link('/etc/passwd')]),
    'a link out of the repository': tree(['40000', 'a', tree(['120000', 'link', link('../../../x')])]),
    'a link into .git': tree(['120000', 'link', link('.git/config')]),
    'a link that is too long': tree(['120000', 'link', link('a/'.repeat(40_000))]),
    'a link in place of .gitmodules': tree(['120000', '.gitmodules', link('file')]),
    'a submodule': tree(['160000', 'sub', base]),
    'a .gitmodules that runs a command': tree([
      '100644',
      '.gitmodules',
      object('blob', '[submodule "x"]\n\tpath = x\n\turl = -u./evil\n\tupdate = !touch /tmp/owned\n'),
    ]),
    'a .gitmodules of any kind': tree(['100644', '.gitmodules', object('blob', '# hello\n')]),
    'two entries of one name': tree(['100644', 'a', blob], ['100644', 'a', blob]),
    'a tree that is none': object('tree', 'garbage'),
  };
  const before = fingerprint(repo);
  for (const [title, id] of Object.entries(cases)) {
    await t.test(title, async () => {
      offer(id);
      await assert.rejects(exported(), { code: 'WORKSPACE_REFUSED' });
      await assert.rejects(diffed(true), { code: 'WORKSPACE_REFUSED' });
      assert.equal(fingerprint(repo), before);
    });
  }
  await t.test('also when a later commit takes it away again', async () => {
    const bad = commit(cases['a link to an absolute path'] as string, base, 'bad');
    const fine = tree(['100644', 'fine', blob]);
    offerCommit(commit(fine, bad, 'fine again'), fine);
    await assert.rejects(exported(), { code: 'WORKSPACE_REFUSED', message: /link/ });
    assert.equal(fingerprint(repo), before);
  });
});

test('what a good guest sends becomes a branch, and links that were there may stay', async (t) => {
  const { repo, offer, exported, diffed, inGuest, evil } = await setUp(t);
  writeFileSync(join(evil, 'file'), 'two\n');
  writeFileSync(join(evil, 'new'), 'new\n');
  symlinkSync('file', join(evil, 'inside'));
  inGuest('add', '-A');
  offer(inGuest('write-tree'));
  const { commit, ...rest } = (await exported()) as { commit: string };
  assert.deepEqual(rest, { branch: ADDRESS, commits: 1, files: 3, repo });
  assert.equal(runGit(repo, ['rev-parse', ADDRESS]), commit);
  assert.equal(runGit(repo, ['show', `${ADDRESS}:file`]), 'two');
  runGit(repo, ['fsck', '--strict']);
  assert.match(await diffed(false), /^-one\n\+two$/m);
  await assert.rejects(exported(), { code: 'BRANCH_EXISTS' });
});

test('streams that lie are refused, and nothing changes on the host', async (t) => {
  const limits = { ...WORKSPACE_LIMITS, packBytes: 200_000, objects: 50, unpackedBytes: 1_000_000 };
  const { repo, evil, inGuest, offerBytes, exported, object, tree, base, importedTree } = await setUp(t, limits);
  const header = (commit: string, treeId: string) => Buffer.from(`banger-workspace ${base} ${commit} ${treeId}\n`);
  const packOf = (...ids: string[]) =>
    spawnSync('git', ['pack-objects', '--stdout', '-q'], { cwd: evil, env: ENV, input: `${ids.join('\n')}\n` }).stdout;
  const blob = object('blob', 'text');
  const plain = tree(['100644', 'a', blob]);
  const good = inGuest(...WHO, 'commit-tree', plain, '-p', base, '-m', 'x');
  const whole = packOf(good, plain, blob);
  const flipped = Buffer.from(whole);
  flipped.writeUInt8((flipped[20] as number) ^ 0xff, 20);
  const many = Buffer.from(whole);
  many.writeUInt32BE(4_000_000_000, 8);
  const large = object('blob', Buffer.alloc(2_000_000));
  const largeTree = tree(['100644', 'large', large]);
  const largeCommit = inGuest(...WHO, 'commit-tree', largeTree, '-p', base, '-m', 'x');

  // An object of the owner's that was never brought in
  const foreign = execFileSync('git', ['hash-object', '-w', '--stdin'], { cwd: repo, env: ENV, input: 'secret' });
  const stolen = tree(['100644', 'a', foreign.toString().trim()]);
  const thief = inGuest(...WHO, 'commit-tree', stolen, '-p', base, '-m', 'x');

  const endless = function* () {
    yield header(good, plain);
    yield whole.subarray(0, 12);
    for (;;) yield Buffer.alloc(65_536, 0x78);
  };
  const noLine = function* () {
    for (;;) yield Buffer.alloc(65_536, 0x61);
  };
  const cases: Record<string, () => Iterable<Buffer>> = {
    'no header': () => [],
    'a header that is none': () => [Buffer.from('banger-workspace ; rm -rf /\n')],
    'an option in place of an id': () => [Buffer.from(`banger-workspace none --upload-pack=x ${plain}\n`)],
    'a line without end': noLine,
    'a pack without end': endless,
    'something that is no pack': () => [header(good, plain), Buffer.alloc(5000, 'x')],
    'a pack that is cut off': () => [header(good, plain), whole.subarray(0, -30)],
    'a pack with a wrong sum': () => [header(good, plain), flipped],
    'a pack that announces too many objects': () => [header(good, plain), many],
    'objects that unpack to too much': () => [header(largeCommit, largeTree), packOf(largeCommit, largeTree, large)],
    'a commit that was not sent': () => [header('1'.repeat(40), plain), whole],
    'a blob in place of a commit': () => [header(blob, plain), whole],
    'a commit in place of a tree': () => [header(good, good), whole],
    'a file that was not sent': () => [header(good, plain), packOf(good, plain)],
    "a file of the owner's that was never brought in": () => [header(thief, stolen), packOf(thief, stolen)],
  };
  const before = fingerprint(repo);
  for (const [title, bytes] of Object.entries(cases)) {
    await t.test(title, { timeout: 20_000 }, async () => {
      offerBytes(bytes);
      await assert.rejects(exported(), { code: 'WORKSPACE_REFUSED' });
      assert.equal(fingerprint(repo), before);
    });
  }
  await t.test('a guest in which nothing was changed makes no branch', async () => {
    offerBytes(() => [header(base, importedTree), packOf(importedTree)]);
    assert.equal(((await exported()) as { commit: null }).commit, null);
    assert.equal(fingerprint(repo), before);
  });
});
