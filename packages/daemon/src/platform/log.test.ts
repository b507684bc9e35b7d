import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogWriter } from './log.ts';

test('a log that becomes too large keeps its newest half, and goes on', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-log-'));
  const path = join(folder, 'daemon.log');
  const descriptor = openSync(path, 'a');
  t.after(() => {
    closeSync(descriptor);
    rmSync(folder, { recursive: true });
  });
  const write = createLogWriter(descriptor, 1000);
  for (let line = 0; line < 500; line++) {
    write(`entry ${line}\n`);
    assert.ok(statSync(path).size <= 1000);
  }
  assert.match(readFileSync(path, 'utf8'), /entry 498\nentry 499\n$/);
});

test('a log that cannot be written ends nobody', () => {
  createLogWriter(987_654)('to nowhere\n');
});
