import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPrunable } from './prunable.ts';

test('a vm never goes, nor what one needs, nor an import or a default unless it is asked for', () => {
  assert.equal(isPrunable({ kind: 'vm', usedBy: [] }, { all: true }), false);
  assert.equal(isPrunable({ kind: 'image', usedBy: ['web'], source: 'catalog' }, { all: true }), false);
  assert.equal(isPrunable({ kind: 'image', usedBy: [], source: 'catalog' }), true);
  assert.equal(isPrunable({ kind: 'kernel', usedBy: [], source: 'import' }), false);
  assert.equal(isPrunable({ kind: 'kernel', usedBy: [], source: 'import' }, { all: true }), true);
  for (const kind of ['image', 'kernel'] as const) {
    assert.equal(isPrunable({ kind, usedBy: [], source: 'catalog', isDefault: true }), false);
    assert.equal(isPrunable({ kind, usedBy: [], source: 'catalog', isDefault: true }, { all: true }), true);
  }
  assert.equal(isPrunable({ kind: 'image', usedBy: [], source: 'rebuilt' }), true);
  assert.equal(isPrunable({ kind: 'image', usedBy: ['web'], source: 'rebuilt' }, { all: true }), false);
  assert.equal(isPrunable({ kind: 'leftover', usedBy: [] }), true);
  assert.equal(isPrunable({ kind: 'unrecorded', usedBy: [] }, { all: true }), false);
  assert.equal(isPrunable({ kind: 'unrecorded', usedBy: [] }, { isNamed: true }), true);
});

test('a prune of images alone goes by the same rule, and takes nothing else', () => {
  assert.equal(isPrunable({ kind: 'image', usedBy: [], source: 'registry' }, { onlyImages: true }), true);
  assert.equal(isPrunable({ kind: 'image', usedBy: ['web'], source: 'registry' }, { onlyImages: true }), false);
  assert.equal(isPrunable({ kind: 'image', usedBy: [], source: 'import' }, { onlyImages: true }), false);
  assert.equal(isPrunable({ kind: 'image', usedBy: [], source: 'import' }, { onlyImages: true, all: true }), true);
  for (const kind of ['kernel', 'cache', 'leftover'] as const)
    assert.equal(isPrunable({ kind, usedBy: [] }, { onlyImages: true, all: true }), false);
});

test('the builder of images goes, and with it what only it needs', () => {
  const goes = ['image-builder'];
  assert.equal(isPrunable({ kind: 'builder', usedBy: [] }), true);
  assert.equal(isPrunable({ kind: 'builder', usedBy: [] }, { onlyImages: true, all: true }), false);
  assert.equal(isPrunable({ kind: 'image', usedBy: goes, source: 'catalog' }, { goes }), true);
  assert.equal(isPrunable({ kind: 'image', usedBy: goes, source: 'catalog' }), false);
  assert.equal(isPrunable({ kind: 'kernel', usedBy: [...goes, 'web'], source: 'catalog' }, { goes }), false);
});
