import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkQemu } from './qemu-check.ts';

test('a QEMU that is slow is not to be installed, one that is not there is', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-qemu-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const slow = join(folder, 'slow');
  writeFileSync(slow, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
  const late = await checkQemu(slow, 40);
  assert.deepEqual([late.check.status, late.check.fix], ['fail', null]);
  assert.match(late.check.text, /did not say its version within 0.04 s$/);
  const none = await checkQemu(join(folder, 'none'));
  assert.deepEqual([none.check.status, none.check.fix], ['fail', 'sudo apt-get install qemu-system-x86']);
});
