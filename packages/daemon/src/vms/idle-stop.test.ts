import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { VmId } from '@banger/contract/names.ts';
import type { Guest } from '../guest/guest.ts';
import { createLog } from '../platform/log.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { createActivity } from './activity.ts';
import { createIdleStop } from './idle-stop.ts';

const DAY_MS = 24 * 60 * 60_000;
const WEB = {
  id: 'aaaaaaaaaaaa' as VmId,
  name: 'web',
  state: { is: 'running', since: new Date(0).toISOString() },
} as VmRecord;

test("a jump of the host's clock stops nothing, and what is shown follows it", async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let monotonicMs = 0;
  let now = new Date(0);
  const stopped: string[] = [];
  const activity = createActivity({ monotonicMs: () => monotonicMs });
  const idleStop = createIdleStop({
    activity,
    readLimitMs: async () => 60_000,
    list: () => [WEB],
    guest: async () => ({ sessions: async () => [] }) as unknown as Guest,
    stop: async (_task, id) => stopped.push(id),
    monotonicMs: () => monotonicMs,
    now: () => now,
    log: createLog(() => {}),
  });
  const pass = async (ms: number) => {
    await turn();
    monotonicMs += ms;
    now = new Date(now.getTime() + ms);
    t.mock.timers.tick(ms);
    for (let turns = 0; turns < 5; turns++) await turn();
  };
  idleStop.begin();
  t.after(idleStop.end);

  await pass(1000);
  now = new Date(DAY_MS);
  await pass(58_000);
  assert.deepEqual(stopped, []);
  assert.equal(await idleStop.stopsAt(WEB), new Date(DAY_MS + 59_000).toISOString());
  await pass(1000);
  assert.deepEqual(stopped, [WEB.id]);
});
