import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Guest } from '../guest/guest.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { createClockKeeper } from './keep-clocks.ts';

const WEB = { id: '0123456789ab', name: 'web' } as VmRecord;
function keeperOf(answer: () => Promise<void> = async () => {}) {
  const clocks = { wallMs: 1_000_000, monotonicMs: 0 };
  const told: number[] = [];
  const warned: string[] = [];
  const guest = {
    async followClock(_task: unknown, unixMs: number) {
      told.push(unixMs);
      await answer();
    },
  } as Pick<Guest, 'followClock'> as Guest;
  const keeper = createClockKeeper({
    listRunning: () => [WEB],
    guest: async () => guest,
    now: () => new Date(clocks.wallMs),
    monotonicMs: () => clocks.monotonicMs,
    log: { info() {}, warn: (text) => void warned.push(text) },
  });
  const pass = async (wallMs: number, monotonicMs = wallMs) => {
    clocks.wallMs += wallMs;
    clocks.monotonicMs += monotonicMs;
    keeper.look();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { keeper, told, warned, pass };
}

test('a guest is told the time now and then, and at once when the host has slept', async (t) => {
  const { keeper, told, pass } = keeperOf();
  keeper.begin();
  t.after(keeper.end);
  await pass(0);
  assert.deepEqual(told, [1_000_000]);
  await pass(5000);
  assert.equal(told.length, 1);
  await pass(15_000);
  assert.deepEqual(told, [1_000_000, 1_020_000]);
  await pass(3_600_000, 5000); // the monotonic clock stands still while a host sleeps
  assert.equal(told.at(-1), 4_620_000);
  await pass(5000);
  assert.equal(told.length, 3);
});

test('a guest that does not answer is not asked twice at a time, and costs the others nothing', async (t) => {
  const answered = Promise.withResolvers<void>();
  const { keeper, told, warned, pass } = keeperOf(() => answered.promise);
  keeper.begin();
  t.after(keeper.end);
  await pass(20_000);
  await pass(20_000);
  assert.equal(told.length, 1);
  answered.reject(new Error('it is gone'));
  await pass(20_000);
  await pass(20_000);
  assert.ok(told.length > 1);
  assert.equal(warned.length, 1); // a guest that stays away must not fill the log
});
