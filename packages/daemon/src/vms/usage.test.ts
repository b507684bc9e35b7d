import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Look, usageBetween } from './usage.ts';

const FIRST: Look = {
  ...{ run: '4711 100', atMs: 10_000, cpuMs: 500, residentBytes: 2 ** 28 },
  ...{ readBytes: 4096, writtenBytes: 0, traffic: { receivedBytes: 1000, sentBytes: 50 } },
};
const LATER: Look = {
  ...{ ...FIRST, atMs: 12_500, cpuMs: 4250, residentBytes: 2 ** 27 },
  ...{ readBytes: 8192, writtenBytes: 2 ** 20, traffic: { receivedBytes: 3500, sentBytes: 50 } },
};

test('rates are by the time that has passed, and totals as they are', () => {
  assert.deepEqual(usageBetween(FIRST, LATER), {
    cpuMs: { total: 4250, perSecond: 1500 },
    residentBytes: 2 ** 27,
    diskReadBytes: { total: 8192, perSecond: 1638.4 },
    diskWrittenBytes: { total: 2 ** 20, perSecond: 2 ** 20 / 2.5 },
    receivedBytes: { total: 3500, perSecond: 1000 },
    sentBytes: { total: 50, perSecond: 0 },
  });
});

test('what nobody counts is null, and what was not counted before has no rate', () => {
  const silent = { ...LATER, readBytes: null, writtenBytes: null, traffic: null };
  const { cpuMs, ...rest } = usageBetween(FIRST, silent);
  assert.equal(cpuMs.perSecond, 1500);
  assert.deepEqual(rest, {
    ...{ residentBytes: 2 ** 27, diskReadBytes: null, diskWrittenBytes: null, receivedBytes: null, sentBytes: null },
  });
  assert.deepEqual(usageBetween(silent, LATER).sentBytes, { total: 50, perSecond: null });
});

test('the first look, another run and a counter that went back give no rate, and none is negative', () => {
  for (const before of [null, { ...FIRST, run: '4712 200' }, { ...FIRST, cpuMs: 5000 }, { ...FIRST, atMs: 12_500 }]) {
    assert.deepEqual(usageBetween(before, LATER).cpuMs, { total: 4250, perSecond: null });
  }
});
