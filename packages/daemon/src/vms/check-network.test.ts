import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkNetwork } from './check-network.ts';

test('what a network never gives is refused, and auto finds one that does', () => {
  const given = { hostPorts: [], allow: [] };
  for (const network of ['auto', 'routed', 'user', 'none'] as const) checkNetwork({ ...given, network });
  checkNetwork({ network: 'auto', hostPorts: [5432], allow: ['host'] });
  checkNetwork({ network: 'user', hostPorts: [5432], allow: ['private'] });
  checkNetwork({ network: 'routed', hostPorts: [], allow: ['host', 'machines'] });
  for (const asked of [
    { network: 'routed', hostPorts: [5432], allow: [] },
    { network: 'none', hostPorts: [5432], allow: [] },
    { network: 'none', hostPorts: [], allow: ['private'] },
    { network: 'user', hostPorts: [], allow: ['private', 'machines'] },
  ] as const) {
    assert.throws(() => checkNetwork(asked), { code: 'NETWORK_LIMIT' }, JSON.stringify(asked));
  }
});
