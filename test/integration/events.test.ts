/** What changed, as it changes, for a program that uses the client library. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonEvent } from '@banger/contract/api/events.ts';
import { createFakeHome } from '../support/fake-home.ts';

test('a machine tells each thing that happens to it, whoever asked for it, and so do the operations', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['daemon', 'start']);
  const heard = await home.client.eventList();
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  await home.json(['vm', 'kill', 'web']);
  await home.json(['vm', 'rm', 'web']);
  const told = await untilGone(heard);
  heard.close();
  assert.deepEqual(told, [
    'operation vm.create begun',
    'vm made creating',
    'vm changed stopped',
    'vm changed starting',
    'vm changed running',
    'operation vm.create ended',
    'operation vm.kill begun',
    'vm changed stopping',
    'vm changed stopped',
    'operation vm.kill ended',
    'operation vm.remove begun',
    'vm changed removing',
    'vm removed removing',
    'operation vm.remove ended',
  ]);
});

test('a machine that ends by itself tells it to who only listens', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  const heard = await home.client.eventList();
  const { state } = await home.untilVm('web', (vm) => vm.state.is === 'running');
  process.kill(state.is === 'running' ? state.pid : 0, 'SIGKILL');
  for await (const event of heard) {
    if (event.is !== 'vm' || event.state.is !== 'stopped') continue;
    assert.deepEqual([event.name, event.state.why, event.fault?.code], ['web', 'crashed', 'VM_LOST']);
    break;
  }
  heard.close();
});

test('a daemon that stops ends the stream of who listens', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['daemon', 'start']);
  const heard = await home.client.eventList();
  assert.equal((await home.run(['daemon', 'stop'])).code, 0);
  await assert.rejects(async () => {
    for await (const event of heard) assert.equal(event.is, 'operation');
  });
});

async function untilGone(events: AsyncIterable<DaemonEvent>): Promise<string[]> {
  const told: string[] = [];
  for await (const event of events) {
    if (event.is === 'vm') told.push(`vm ${event.change} ${event.state.is}`);
    if (event.is === 'operation') told.push(`operation ${event.operation.kind} ${event.change}`);
    if (told.at(-1) === 'operation vm.remove ended') break;
  }
  return told;
}
