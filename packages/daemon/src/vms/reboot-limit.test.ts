import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmId } from '@banger/contract/names.ts';
import { createRebootLimit, REBOOTS } from './reboot-limit.ts';

const web = '0123456789ab' as VmId;
const other = 'ba9876543210' as VmId;

test('a guest that reboots now and then always comes back, and one in a loop stays off', () => {
  let nowMs = 0;
  const limit = createRebootLimit({ monotonicMs: () => nowMs });
  for (let count = 0; count < 100; count += 1) {
    assert.equal(limit.mayComeBack(web), true);
    nowMs += REBOOTS.withinMs / REBOOTS.max;
  }
  nowMs += REBOOTS.withinMs;
  const loop = Array.from({ length: REBOOTS.max + 2 }, () => limit.mayComeBack(web));
  assert.deepEqual(loop, [...Array(REBOOTS.max).fill(true), false, false]);
  assert.equal(limit.mayComeBack(other), true);
});
