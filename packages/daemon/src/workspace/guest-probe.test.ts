/** The script that runs in the guest, run here in a folder of its own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { guestScripts } from './guest-scripts.ts';

/** Whom this process may give a folder to, and that no file knows when it may give it to anybody */
const OTHER = userInfo().uid === 0 ? 1234 : userInfo().uid;

function makeRoot(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'banger-probe-'));
  t.after(() => rmSync(root, { recursive: true }));
  return root;
}

function probe(root: string, at: string | null, user: string, implied: string): string[] {
  const [shell = '', ...words] = guestScripts.probe(at, user, implied, 'repo');
  const { stdout, stderr } = spawnSync(shell, words, { cwd: root, encoding: 'utf8' });
  assert.equal(stderr, '');
  return stdout.trim().split('\n').slice(1);
}

test('a workspace is for the user of the image, unless another is named', (t) => {
  const root = makeRoot(t);
  assert.deepEqual(probe(root, '/srv/app', '', String(OTHER)), ['new', String(OTHER), './srv/app']);
  assert.equal(statSync(join(root, 'srv')).uid, OTHER);
  assert.equal(probe(root, '/named', 'root', String(OTHER)).at(1), '0');
  assert.equal(probe(root, '/none', '', '').at(1), '0');
  assert.deepEqual(probe(root, '/nobody', '', 'no-such-user'), ['no-user']);
});

test('a folder that is there with something in it keeps its owner', (t) => {
  const root = makeRoot(t);
  mkdirSync(join(root, 'there/inside'), { recursive: true });
  assert.deepEqual(probe(root, '/there', '', '4321'), ['there', String(userInfo().uid), './there']);
});
