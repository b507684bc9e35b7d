import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseNetwork, type HelperState } from './choose-network.ts';
import { joinReach } from './reach.ts';

const WORKS: HelperState = { is: 'ours', obstacle: null };

test('auto takes an address of its own where the helper serves this user and machines get out', async () => {
  const auto = async (helper: HelperState, hostPorts: number[] = []) =>
    (await chooseNetwork('auto', hostPorts, async () => helper)).network;
  assert.equal(await auto(WORKS), 'routed');
  assert.equal(await auto(WORKS, [5432]), 'user', 'a port of the host comes with a user network alone');
  assert.equal(await auto({ is: 'absent' }), 'user');
  assert.equal(await auto({ is: 'foreign' }), 'user');
  const closed = await chooseNetwork('auto', [], async () => ({ is: 'ours', obstacle: 'nft is missing' }));
  assert.deepEqual(closed, { network: 'user', note: 'The machine gets no address of its own: nft is missing.' });
});

test('what is asked for by name is taken, whatever the helper says', async () => {
  for (const network of ['user', 'none'] as const) {
    const look = () => assert.fail('it was asked');
    assert.deepEqual(await chooseNetwork(network, [], look), { network, note: null });
  }
  const routed = (helper: HelperState) => chooseNetwork('routed', [], async () => helper);
  assert.deepEqual(await routed({ is: 'absent' }), { network: 'routed', note: null });
  const note = 'The machine may not get everywhere: nobody forwards.';
  assert.deepEqual(await routed({ is: 'ours', obstacle: 'nobody forwards' }), { network: 'routed', note });
});

test('a machine reaches what the config allows to all and what it was made with', () => {
  const unsaid = { isPrivateOpen: null, hostPorts: null, allow: null };
  const none = { hostPorts: [], allow: [] };
  assert.deepEqual(joinReach(unsaid, none), { isPrivateOpen: true, allowed: [], hostPorts: [] });
  assert.deepEqual(joinReach({ ...unsaid, allow: ['host'] }, { hostPorts: [1], allow: ['host', 'machines'] }), {
    ...{ isPrivateOpen: true, allowed: ['host', 'machines'], hostPorts: [1] },
  });
  assert.deepEqual(joinReach({ ...unsaid, isPrivateOpen: true }, none).allowed, ['private'], 'said, and not by itself');
  assert.equal(joinReach({ ...unsaid, isPrivateOpen: false }, none).isPrivateOpen, false);
  assert.equal(joinReach({ ...unsaid, isPrivateOpen: false }, { ...none, allow: ['private'] }).isPrivateOpen, true);
});
