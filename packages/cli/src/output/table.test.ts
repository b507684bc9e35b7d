import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, renderFacts, renderTable } from './table.ts';

test('columns are as wide as what is in them, without blanks at the end', () => {
  assert.equal(
    renderTable(
      ['NAME', 'STATE'],
      [
        ['a-long-name', 'running'],
        ['b', ''],
      ],
    ),
    'NAME         STATE\na-long-name  running\nb\n',
  );
});

test('facts line up', () => {
  assert.equal(
    renderFacts([
      ['a', '1'],
      ['long', '2'],
    ]),
    'a:    1\nlong: 2\n',
  );
});

test('an age is in its largest unit', () => {
  const nowMs = Date.parse('2026-01-02T00:00:00Z');
  assert.equal(formatAge('2026-01-01T23:59:57Z', nowMs), '3 s ago');
  assert.equal(formatAge('2026-01-01T22:59:57Z', nowMs), '1 h ago');
  assert.equal(formatAge('2025-12-01T00:00:00Z', nowMs), '32 d ago');
  assert.equal(formatAge(null, nowMs), '-');
});
