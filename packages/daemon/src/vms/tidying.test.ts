import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmId } from '@banger/contract/names.ts';
import type { Capability } from '../capabilities/capability.ts';
import { createDrivers } from '../hypervisor/drivers.ts';
import type { Driver, MachineRef } from '../hypervisor/hypervisor.ts';
import { createLog } from '../platform/log.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord, VmRecords } from '../store/records/vms.ts';
import { createTidying } from './tidying.ts';

const RAN = { driver: 'firecracker' } as MachineRef;
const ABILITIES = { maxCpus: 1, givesBackSpace: false };

/** Vms that are stopped, and a capability whose work goes on until it is cut off, or until the story lets it end. */
function scene() {
  const story: string[] = [];
  const states = new Map<string, VmRecord['state']['is']>();
  const { promise: untold, resolve: letEnd } = Promise.withResolvers<void>();
  let told = Promise.withResolvers<void>();
  const tell = (line: string) => {
    story.push(line);
    told.resolve();
    told = Promise.withResolvers<void>();
  };
  const capability: Capability = {
    name: 'disk',
    async tidy(task, { name }, ran) {
      tell(`${name} begins${ran.givesBackSpace ? '' : ' for want of it'}`);
      try {
        await task.race(untold);
        tell(`${name} is done`);
      } catch {
        await new Promise((resolve) => setImmediate(resolve)); // ending its program takes a moment
        tell(`${name} has let go`);
      }
    },
  };
  const vmOf = (id: string) => ({ id, name: id, ephemeral: id === 'gone', state: { is: states.get(id) ?? 'stopped' } });
  const oneAtATime = createOneAtATime();
  const tidying = createTidying({
    records: { findById: (id: string) => vmOf(id) as VmRecord } as VmRecords,
    capabilities: [capability],
    drivers: createDrivers([{ name: 'firecracker', abilities: ABILITIES } as Driver]),
    log: createLog(() => {}),
    oneAtATime,
  });
  return {
    ...{ story, states, tidying, letEnd },
    begin: (id: string) => tidying.begin(vmOf(id) as VmRecord, RAN),
    /** What a command does that wants the vm */
    want: (id: string) => {
      tidying.interrupt(id as VmId);
      return oneAtATime.run(Task.background(), id, async () => tell(`${id} is wanted`));
    },
    until: async (line: string) => {
      while (!story.includes(line)) await told.promise;
    },
  };
}

test('who wants a vm ends what goes on, and has its turn when that has let go', async () => {
  const { story, tidying, begin, want, until } = scene();
  tidying.open();
  begin('a');
  await until('a begins for want of it');
  await want('a');
  assert.deepEqual(story, ['a begins for want of it', 'a has let go', 'a is wanted']);
  await want('a');
  assert.equal(story.length, 4);
  assert.equal(tidying.isUnderWay('a' as VmId), false, 'and it is not begun again');
});

test('one vm after the other, and one that waits for that is not held up', async () => {
  const { story, tidying, letEnd, begin, want, until } = scene();
  tidying.open();
  for (const id of ['a', 'b', 'c']) begin(id);
  await until('a begins for want of it');
  await want('b');
  letEnd();
  await until('c is done');
  assert.deepEqual(story, [
    'a begins for want of it',
    'b is wanted',
    'a is done',
    'c begins for want of it',
    'c is done',
  ]);
});

test('not for a vm that goes with its run, nor for one that runs again', async () => {
  const { story, states, tidying, letEnd, begin, until } = scene();
  states.set('again', 'running');
  letEnd();
  tidying.open();
  for (const id of ['gone', 'again', 'a']) begin(id);
  await until('a is done');
  assert.deepEqual(story, ['a begins for want of it', 'a is done']);
});

test('nothing goes on before the daemon is ready or after it has ended', async () => {
  const { story, tidying, begin, want, until } = scene();
  begin('a');
  begin('b');
  await want('a');
  tidying.open();
  await until('b begins for want of it');
  await tidying.end();
  begin('c');
  await want('c');
  assert.deepEqual(story, ['a is wanted', 'b begins for want of it', 'b has let go', 'c is wanted']);
});
