import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmId } from '@banger/contract/names.ts';
import { createActivity } from './activity.ts';
import { nextLookMs, planIdleStop } from './idle-plan.ts';

const WEB = 'aaaaaaaaaaaa' as VmId;

test('a vm is idle since it was started or last used, or since the daemon runs', () => {
  let time = 1000;
  const activity = createActivity({ monotonicMs: () => time });
  assert.equal(activity.idleSinceMs(WEB), 1000, 'the daemon is younger than the vm');
  time = 2000;
  activity.touch(WEB);
  assert.equal(activity.idleSinceMs(WEB), 2000);
  const first = activity.use(WEB);
  const second = activity.use(WEB);
  assert.equal(activity.idleSinceMs(WEB), null);
  time = 5000;
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(activity.idleSinceMs(WEB), null, 'a user who leaves twice was one');
  time = 6000;
  second[Symbol.dispose]();
  assert.equal(activity.idleSinceMs(WEB), 6000);
  activity.forget(WEB);
  assert.equal(activity.idleSinceMs(WEB), 1000);
});

test('a vm stops when it was idle for as long as the config says, and never without it', () => {
  assert.equal(planIdleStop({ limitMs: null, idleSinceMs: 0 }), null);
  assert.equal(planIdleStop({ limitMs: 100, idleSinceMs: null }), null);
  assert.equal(planIdleStop({ limitMs: 100, idleSinceMs: 50 }), 150);
});

test('the next look is when the first vm is due, within a minute, and not before a second', () => {
  assert.equal(nextLookMs([], 1000), 60_000);
  assert.equal(nextLookMs([31_000, 11_000], 1000), 10_000);
  assert.equal(nextLookMs([500], 1000), 1000);
  assert.equal(nextLookMs([10_000_000], 1000), 60_000);
});
