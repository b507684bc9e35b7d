import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leadsOut } from './link-target.ts';

const leads = (name: string, target: string, links: Record<string, string> = {}) =>
  leadsOut(name === '' ? [] : name.split('/'), target, (path) => links[path] ?? null) ? 'out' : 'in';

test('a link may point to what lies below the top', () => {
  for (const [name, target] of [
    ['link', 'b'],
    ['link', 'b/c/./d'],
    ['link', '.'],
    ['a/link', '..'],
    ['a/link', '../b'],
    ['a/b/link', '../../c/d'],
    ['link', '...'],
    ['link', '..b/c'],
  ] as const) {
    assert.equal(leads(name, target), 'in', `${name} -> ${target}`);
  }
});

test('a link that leads out, or that is no link at all, does not', () => {
  for (const [name, target] of [
    ['link', '/etc'],
    ['link', '..'],
    ['a/link', '../..'],
    ['a/link', '../../top/a'],
    ['a/link', './../../b'],
    ['link', ''],
    ['link', 'a\0b'],
    ['', 'b'],
  ] as const) {
    assert.equal(leads(name, target), 'out', `${name} -> ${target}`);
  }
});

test('two dots after a word are refused, since the word may be a link', () => {
  for (const target of ['up/../secret', 'a/../b', 'a/b/..', '../a/../b']) {
    assert.equal(leads('p/q/out', target), 'out', target);
  }
});

test('links that were there before are followed', () => {
  const links = {
    home: '/home/owner',
    'a/up': '../..',
    inside: 'a/b',
    chain: 'inside/up',
    'a/b/up': '../..',
    loop: 'loop',
    top: '.',
  };
  for (const target of ['home', 'home/.ssh', 'a/up/x', 'loop/x', 'top/home/x', 'top/top/a/up']) {
    assert.equal(leads('new', target, links), 'out', target);
  }
  for (const target of ['inside', 'inside/x', 'chain', 'chain/a', 'top/inside', 'homes']) {
    assert.equal(leads('new', target, links), 'in', target);
  }
  assert.equal(leads('a/new', '../home/x', links), 'out');
  assert.equal(leads('a/b/new', 'up/home', links), 'out');
});
