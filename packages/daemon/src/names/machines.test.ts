import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmId, VmName } from '@banger/contract/names.ts';
import { Task } from '../platform/task.ts';
import { createMachines } from './machines.ts';

const ID = '00000000000a' as VmId;
const web = { id: ID, name: 'web' as VmName, address: '10.213.64.16', isRunning: true };

test('a machine is found by name, id and address, and as it is after each change', () => {
  let listed = [web];
  const machines = createMachines({ list: () => listed, listTaps: async () => ({ taps: [] }) });
  const found = { ...web, reachesMachines: false };
  assert.deepEqual([machines.byNameOrId(web.name), machines.byNameOrId(ID)], [found, found]);
  assert.deepEqual([machines.byAddress(web.address), machines.byAddress('10.213.64.17')], [found, null]);
  listed = [{ ...web, isRunning: false }];
  machines.forget();
  assert.equal(machines.byNameOrId(web.name)?.isRunning, false);
  listed = [];
  machines.forget();
  assert.equal(machines.byNameOrId(web.name), null);
});

test('whether it may talk to others is what is in force, and not what is wanted', async () => {
  const taps = [{ vm: ID, address: web.address, reach: ['host', 'machines'] as ('host' | 'machines')[], isHeld: true }];
  const machines = createMachines({ list: () => [web], listTaps: async () => ({ taps }) });
  assert.equal(machines.byNameOrId(web.name)?.reachesMachines, false);
  await machines.noteReach(Task.background());
  assert.equal(machines.byNameOrId(web.name)?.reachesMachines, true);
  taps.pop();
  await machines.noteReach(Task.background());
  assert.equal(machines.byNameOrId(web.name)?.reachesMachines, false);
});
