import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findObjection, type Known, keyOf } from './check-changes.ts';
import { SUBMODULE, SYMLINK } from './tree-entries.ts';

const NONE: Known = { keys: new Set(), links: [] };

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
  for (const target of ['b', '../b', 'deep/x']) assert.equal(objectionTo('a/l', SYMLINK, target), undefined, target);
  for (const target of ['/b', '../../b', 'x/../../../b', '../.git/config', 'up/../secret']) {
    assert.match(objectionTo('a/l', SYMLINK, target) ?? '', /leads out/, target);
  }
});

test('links may not go through one that was brought in and leads out', () => {
  const links = [
    { name: 'home', target: '/home/mia' },
    { name: 'inside', target: 'a' },
    { name: 'config', target: '.git/config' },
    { name: 'two', target: 'a' },
    { name: 'two', target: 'b' },
  ];
  const leadsTo = (target: string) =>
    findObjection([{ name: 'new', mode: SYMLINK, id: 'i', status: 'A' }], { ...NONE, links }, () => target)?.why;
  for (const target of ['home', 'home/.ssh', 'config', 'two/x'])
    assert.match(leadsTo(target) ?? '', /leads out/, target);
  assert.equal(leadsTo('inside/x'), undefined);
});

test('submodules and what names them are refused, unless they were brought in', () => {
  assert.ok(objectionTo('sub', SUBMODULE));
  assert.ok(objectionTo('.gitmodules'));
  const change = { name: 'sub', mode: SUBMODULE, id: 'i', status: 'M' };
  assert.equal(
    findObjection([change], { ...NONE, keys: new Set([keyOf(change)]) }, () => null),
    null,
  );
  assert.equal(
    findObjection([{ ...change, status: 'D' }], NONE, () => null),
    null,
  );
});
