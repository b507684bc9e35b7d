import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Kind, parseSide, planCopy } from './plan-copy.ts';

function plan(source: string, sourceKind: Kind, destination: string, kind: Kind, parentKind: Kind = 'directory') {
  return planCopy({ source: { path: source, kind: sourceKind }, destination: { path: destination, kind, parentKind } });
}

test('a side is in a vm, on the host, or a stream', () => {
  assert.deepEqual(parseSide('web:/etc'), { is: 'guest', vm: 'web', path: '/etc' });
  assert.deepEqual(parseSide('./web:/etc'), { is: 'host', path: './web:/etc' });
  assert.deepEqual(parseSide('/a:/b'), { is: 'host', path: '/a:/b' });
  assert.deepEqual(parseSide('notes'), { is: 'host', path: 'notes' });
  assert.deepEqual(parseSide('-'), { is: 'stream' });
  assert.throws(() => parseSide('web:etc'), { code: 'USAGE', hint: /web:\/root\/etc/ });
});

test('a file becomes the file that is named, or goes into the folder that is named', () => {
  assert.deepEqual(plan('/a/f', 'file', '/b/g', null), { folder: '/b', name: 'g' });
  assert.deepEqual(plan('/a/f', 'file', '/b/g', 'file'), { folder: '/b', name: 'g' });
  assert.deepEqual(plan('/a/f', 'file', '/b', 'directory'), { folder: '/b', name: 'f' });
  assert.deepEqual(plan('/a/f', 'file', '/b/', 'directory'), { folder: '/b/', name: 'f' });
});

test('a folder becomes the folder that is named, or goes into the one that is there', () => {
  assert.deepEqual(plan('/a/d', 'directory', '/b/e', null), { folder: '/b', name: 'e' });
  assert.deepEqual(plan('/a/d/', 'directory', '/b/e/', null), { folder: '/b', name: 'e' });
  assert.deepEqual(plan('/a/d', 'directory', '/b', 'directory'), { folder: '/b', name: 'd' });
  assert.deepEqual(plan('/a/d/.', 'directory', '/b', 'directory'), { folder: '/b', name: null });
  assert.deepEqual(plan('/a/d/.', 'directory', '/b/e', null), { folder: '/b', name: 'e' });
});

test('what cannot be is refused', () => {
  for (const [bad, message] of [
    [() => plan('/a/d', 'directory', '/b/f', 'file'), /is a folder, but/],
    [() => plan('/a/f', 'file', '/b/g/', null), /folder \/b\/g\/ does not exist/],
    [() => plan('/a/f', 'file', '/b/c/g', null, null), /folder \/b\/c does not exist/],
    [() => plan('/a/f/', 'file', '/b', 'directory'), /is not a folder/],
    [() => plan('/dev/zero', 'other', '/b', 'directory'), /neither a file nor a folder/],
    [() => plan('/a/f', 'file', '/dev/null', 'other'), /neither a file nor a folder/],
  ] as const) {
    assert.throws(bad, { code: 'GUEST_PATH', message });
  }
});
