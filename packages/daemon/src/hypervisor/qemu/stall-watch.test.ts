import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../../platform/log.ts';
import type { MachineStall } from '../hypervisor.ts';
import { watchForStalls } from './stall-watch.ts';

/** A QEMU that answers as the test says; what it is asked is passed on */
function watch(answer: (command: string) => string, onChange: (stall: MachineStall | null) => void = () => {}) {
  const told: (MachineStall | null)[] = [];
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const { promise: wentOn, resolve: goOn } = Promise.withResolvers<void>();
  let faults = 0;
  const onStop = watchForStalls({
    qmp: { closed, execute: async (_task, command) => ({ status: answer(command) }) },
    log: createLog(() => {}),
    onChange: (stall) => {
      told.push(stall);
      if (stall === null) goOn();
      onChange(stall);
    },
    onFault: () => {
      faults++;
      goOn();
    },
    retryMs: 1,
  });
  return { onStop, told, close, wentOn, faults: () => faults };
}

test('a guest that stopped for want of space is let go on until it does', async () => {
  let refusals = 3;
  const { onStop, told, wentOn } = watch((command) => {
    if (command === 'cont') refusals--;
    return refusals > 0 ? 'io-error' : 'running';
  });
  onStop();
  await wentOn;
  assert.deepEqual([told, refusals], [['disk-full', null], 0]);
});

test('neither who is told nor a QEMU that does not answer ends the watch', async () => {
  let asked = 0;
  const { onStop, told, wentOn } = watch(
    () => {
      if (++asked % 3 === 1) throw new Error('no answer in time');
      return asked < 8 ? 'io-error' : 'running';
    },
    () => {
      throw new Error('database or disk is full');
    },
  );
  onStop();
  await wentOn;
  assert.deepEqual(told, ['disk-full', null]);
});

test('a stop while the one before is followed is followed too', async () => {
  let status = 'io-error';
  let hasStoppedAgain = false;
  const { promise: second, resolve } = Promise.withResolvers<void>();
  const { onStop, told } = watch(
    (command) => {
      if (command === 'cont') status = 'running';
      return status;
    },
    (stall) => {
      if (stall !== null) return;
      if (hasStoppedAgain) return resolve();
      hasStoppedAgain = true;
      status = 'io-error';
      onStop(); // in the turn in which it was told that the first one goes on
    },
  );
  onStop();
  await second;
  assert.deepEqual(told, ['disk-full', null, 'disk-full', null]);
});

test('a guest whose processors stopped for good is a fault, and a machine that ended is left', async () => {
  const broken = watch(() => 'internal-error');
  broken.onStop();
  await broken.wentOn;
  assert.deepEqual([broken.faults(), broken.told], [1, []]);

  let asked = 0;
  const { promise: askedTwice, resolve } = Promise.withResolvers<void>();
  const ended = watch(() => {
    if (++asked === 2) resolve();
    throw new Error('the control socket closed');
  });
  ended.onStop();
  await askedTwice;
  ended.close();
  assert.deepEqual(ended.told, []);
});
