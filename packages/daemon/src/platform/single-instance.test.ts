import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeSingleInstanceLock } from './single-instance.ts';

test('one at a time has the lock, and what stands in its place is named', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-lock-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'lock.sqlite');
  {
    using _lock = takeSingleInstanceLock(path);
    assert.throws(() => takeSingleInstanceLock(path), { code: 'DAEMON_ALREADY_RUNNING' });
  }
  takeSingleInstanceLock(path)[Symbol.dispose]();
  rmSync(path);
  mkdirSync(path);
  assert.throws(() => takeSingleInstanceLock(path), { code: 'FOLDER_UNUSABLE', message: /lock\.sqlite/ });
});
