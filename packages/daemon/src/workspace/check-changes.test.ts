import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findObjection, keyOf } from './check-changes.ts';
import { SUBMODULE, SYMLINK } from './tree-entries.ts';

const NONE: ReadonlySet<string> = new Set();

function objectionTo(name: string, mode = '100644', target = ''): string | undefined {
  return findObjection([{ name, mode, id: 'i', status: 'A' }], NONE, () => target)?.why;
}

test('ordinary names are fine', () => {
  for (const name of ['a', 'a/b', '.gitignore', '.github/x', '...', 'a b\nc', '-rf', 'git', 'x.git/y']) {
    assert.equal(objectionTo(name), undefined, name);
  }
});

test('names that reach into .git, or out, are not', () => {
  for (const name of [
    '.git/x',
    'a/.GIT/x',
    '../x',
    'a/../x',
    '/x',
    'a//b',
    './x',
    'GIT~1/x',
    '.git./x',
    '.git /x',
    '.git::$DATA',
  ]) {
    assert.match(objectionTo(name) ?? '', /reaches/, name);
  }
});

test('links may point inside only', () => {
  for (const target of ['b', '../b', './c/../b', 'deep/x'])
    assert.equal(objectionTo('a/l', SYMLINK, target), undefined, target);
  for (const target of ['/b', '../../b', 'x/../../../b', '../.git/config']) {
    assert.match(objectionTo('a/l', SYMLINK, target) ?? '', /leads out/, target);
  }
});

test('submodules and what names them are refused, unless they were brought in', () => {
  assert.ok(objectionTo('sub', SUBMODULE));
  assert.ok(objectionTo('.gitmodules'));
  const change = { name: 'sub', mode: SUBMODULE, id: 'i', status: 'M' };
  assert.equal(
    findObjection([change], new Set([keyOf(change)]), () => null),
    null,
  );
  assert.equal(
    findObjection([{ ...change, status: 'D' }], NONE, () => null),
    null,
  );
});
