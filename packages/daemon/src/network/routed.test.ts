import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BangerError } from '@banger/contract/errors.ts';
import type { VmId } from '@banger/contract/names.ts';
import type { Place } from '@banger/contract/privileged/places.ts';
import { OWNER } from '../platform/own-files.ts';
import { Task } from '../platform/task.ts';
import { createRoutedNetwork } from './routed.ts';

const VM = '0123456789ab' as VmId;
const MINUTE_MS = 60_000;

type Answer = (name: string, input: object) => unknown;

test('what a helper that was away has kept is swept once there is one, however long that takes', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const runtimeFolder = await folderOf(t);
  await writeFile(join(runtimeFolder, 'network.tap'), '');
  let isThere = false;
  const { network, asked } = networkOf((name) => {
    if (!isThere) throw new BangerError('HELPER_MISSING', { message: 'It is not there.' });
    return name === 'report' ? REPORT : { detached: [VM], held: [] };
  });
  await assert.rejects(network.release(VM, runtimeFolder), { code: 'HELPER_MISSING' });
  assert.ok(existsSync(join(runtimeFolder, 'network.tap')));
  for (const expected of [['detach'], ['report'], ['report']]) {
    assert.deepEqual(asked.splice(0), expected);
    t.mock.timers.tick(MINUTE_MS);
    await turn();
  }
  isThere = true;
  assert.deepEqual(asked.splice(0), ['report']);
  t.mock.timers.tick(MINUTE_MS);
  while (!asked.includes('sweep')) await turn();
  asked.splice(0);
  t.mock.timers.tick(MINUTE_MS);
  await turn();
  assert.deepEqual(asked, [], 'nothing more is due');
});

test('names are answered where a machine is, or will be when a route has taken its place', async () => {
  const published: number[] = [];
  const look = (place: Place | null, kept: Place[]) => {
    const subnets = [0, 1, 2].map((subnet) => ({ subnet, claimedBy: subnet === 0 ? '10.0.0.0/8 dev tun0' : null }));
    const { network } = networkOf((name) => (name === 'report' ? REPORT : { subnets, taps: [] }), { published, kept });
    return network.look(Task.background(), place);
  };
  const in2 = { subnet: 2, lease: 16 };
  assert.deepEqual(await look(in2, [{ subnet: 1, lease: 16 }, in2]), { is: 'ours', obstacle: null });
  await look({ subnet: 0, lease: 16 }, [in2]);
  await look(null, []);
  assert.deepEqual(published, [2, 2, 1]);
});

const REPORT = { owner: OWNER.uid, hasNft: true, isForwarding: true, closedTables: [] };

function networkOf(answer: Answer, { published = [] as number[], kept = [] as Place[] } = {}) {
  const asked: string[] = [];
  const ask = async (_task: Task, name: string, input: object) => {
    asked.push(name);
    return answer(name, input);
  };
  const network = createRoutedNetwork({
    helper: { ask } as unknown as Parameters<typeof createRoutedNetwork>[0]['helper'],
    linkPath: '/nonexistent',
    places: { list: () => kept, keep: async () => {} },
    publishNames: async (_task, subnet) => void published.push(subnet),
    listConnected: () => [],
    log: { info: () => {}, warn: () => {} },
  });
  return { network, asked };
}

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-routed-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}
