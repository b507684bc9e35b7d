/** Story: a guest uses much memory for a while, and the host gets it back. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';

const MIB = 2 ** 20;
const USED_BYTES = 300 * MIB;
const LIMIT_MS = 60_000;

test('memory that a guest has freed is the host’s again', async (t) => {
  const home = await createHome(t);
  const { state } = await home.json<Vm>([
    'vm',
    'create',
    '--name',
    'web',
    '--memory',
    '768M',
    '--start',
    '--wait',
    'system',
  ]);
  assert.ok(state.is === 'running');
  const inside = (script: string) => home.run(['vm', 'exec', 'web', '--', 'sh', '-ec', script]);
  const before = residentBytes(state.pid);

  const { code, stderr } = await inside(`head -c ${USED_BYTES} /dev/urandom >/dev/shm/used`);
  assert.equal(code, 0, stderr);
  const used = residentBytes(state.pid);
  assert.ok(used - before > 0.8 * USED_BYTES, `${(used - before) / MIB} MiB more`);

  await inside('rm /dev/shm/used');
  const deadlineMs = Date.now() + LIMIT_MS;
  // The guest tells of freed pages a while later, and QEMU tells nobody.
  while (used - residentBytes(state.pid) < 0.7 * USED_BYTES) {
    assert.ok(Date.now() < deadlineMs, `${(used - residentBytes(state.pid)) / MIB} MiB came back`);
    await delay(200);
  }
});

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
