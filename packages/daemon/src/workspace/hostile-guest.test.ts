/** A guest that lies. Whatever it sends, the owner's repository stays as it is, to the byte. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BRANCH, ENV, fingerprint, runGit, setUp, WHO } from './hostile-guest-suite.ts';
import { WORKSPACE_LIMITS } from './workspace-parts.ts';

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
    'a link out of it by another link': tree([
      '40000',
      'p',
      tree(['40000', 'q', tree(['120000', 'out', link('up/../secret')], ['120000', 'up', link('../..')])]),
    ]),
    'a link through one that was there before': tree(['120000', 'link', link('mine')]),
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
  assert.deepEqual(rest, { branch: BRANCH, commits: 1, files: 3, repo });
  assert.equal(runGit(repo, ['rev-parse', BRANCH]), commit);
  assert.equal(runGit(repo, ['show', `${BRANCH}:file`]), 'two');
  runGit(repo, ['fsck', '--strict']);
  assert.match(await diffed(false), /^-one\n\+two$/m);
  await assert.rejects(exported(), { code: 'BRANCH_EXISTS' });
});

test('streams that lie are refused, and nothing changes on the host', async (t) => {
  const limits = { ...WORKSPACE_LIMITS, packBytes: 200_000, objects: 50, unpackedBytes: 1_000_000 };
  const { repo, evil, inGuest, offerBytes, exported, object, tree, base, importedTree } = await setUp(t, { limits });
  const header = (commit: string, treeId: string) => Buffer.from(`banger-workspace ${base} ${commit} ${treeId} 0\n`);
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

test('a guest without git gets the files as a tar stream, and has no way back', async (t) => {
  const { received, exported } = await setUp(t, { hasGit: false });
  const listed = spawnSync('tar', ['-tvf', '-'], { input: Buffer.concat(received), encoding: 'utf8' }).stdout;
  assert.match(listed, /mine -> \/etc\/hostname/);
  assert.match(listed, /^-rw.* file$/m);
  assert.doesNotMatch(listed, /\.git\//);
  await assert.rejects(exported(), { code: 'WORKSPACE_FAILED', message: /has no git/ });
});

test('a repository may be larger than any list that git prints', async (t) => {
  const largeBytes = 140 * 2 ** 20;
  const { received } = await setUp(t, { hasGit: false, largeBytes });
  assert.ok(received.reduce((sum, { length }) => sum + length, 0) > largeBytes);
});

test('a guest is not told that all is there when the repository turns out to lack an object', async (t) => {
  for (const hasGit of [true, false]) {
    const { repo, told, imported } = await setUp(t, { hasGit });
    const ends = told.ends;
    const id = runGit(repo, ['rev-parse', 'HEAD:file']);
    rmSync(join(repo, '.git/objects', id.slice(0, 2), id.slice(2)));
    await assert.rejects(imported(), { code: 'REPO_INVALID', message: new RegExp(id) });
    assert.equal(told.ends, ends);
  }
});
