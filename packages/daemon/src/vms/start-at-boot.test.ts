import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { VmRecord } from '../store/records/vms.ts';
import { SAMPLE_VM } from '../store/sample-vm.ts';
import { startAtBoot } from './start-at-boot.ts';

test('machines that are to start do so once a boot, in their order, whichever of them fails', async (t) => {
  const boot = createBoot(t, ['one', 'two', 'three']);
  await boot.at('first', ['two']);
  assert.deepEqual(boot.tried, ['one', 'two', 'three']);
  assert.match(boot.warnings.join(), /two was to start at boot/);
  await boot.at('first');
  assert.equal(boot.tried.length, 3, 'a daemon that restarts starts nothing again');
  await boot.at('second');
  assert.equal(boot.tried.length, 6);
});

test('a daemon that is stopped meanwhile leaves the rest to the next one', async (t) => {
  const boot = createBoot(t, ['one', 'two']);
  const stopping = new AbortController();
  await boot.at('first', [], stopping, () => stopping.abort());
  assert.deepEqual(boot.tried, ['one']);
  await boot.at('first');
  assert.deepEqual(boot.tried, ['one', 'one', 'two']);
});

test('one that is not to start, or does something already, is left alone', async (t) => {
  const boot = createBoot(t, []);
  boot.vms.push(
    { ...SAMPLE_VM, name: 'plain' } as VmRecord,
    { ...SAMPLE_VM, autostart: true, state: { is: 'removing' } } as VmRecord,
  );
  await boot.at('first');
  assert.deepEqual(boot.tried, []);
});

function createBoot(t: TestContext, names: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-boot-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const state = { is: 'stopped', why: 'crashed', at: SAMPLE_VM.createdAt };
  const vms = names.map((name) => ({ ...SAMPLE_VM, name, autostart: true, state }) as VmRecord);
  const tried: string[] = [];
  const warnings: string[] = [];
  const at = (bootId: string, failing: string[] = [], stopping = new AbortController(), onStart = () => {}) =>
    startAtBoot({
      list: () => vms,
      start: async (name) => {
        tried.push(name);
        onStart();
        return failing.includes(name) ? null : {};
      },
      ...{ markPath: join(folder, 'mark'), bootId, signal: stopping.signal },
      log: { info: () => {}, warn: (text) => void warnings.push(text) },
    });
  return { vms, tried, warnings, at };
}
