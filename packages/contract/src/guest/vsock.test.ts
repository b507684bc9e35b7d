import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { GOODBYES, VSOCK_PORTS } from './vsock.ts';

test('the ports and words of a vsock are those of the sample', () => {
  const sample = JSON.parse(readFileSync(new URL('../../vectors/vsock.json', import.meta.url), 'utf8'));
  const { agent, call, goodbye } = VSOCK_PORTS;
  assert.deepEqual(sample, { agentPort: agent, callPort: call, goodbyePort: goodbye, goodbyes: GOODBYES });
});
