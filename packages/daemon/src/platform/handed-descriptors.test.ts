import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handedDescriptors } from './handed-descriptors.ts';

test('what systemd opened is what it says, to the process that it says it to', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a.socket:b.socket' };
  const handed = [
    { descriptor: 3, unit: 'a.socket' },
    { descriptor: 4, unit: 'b.socket' },
  ];
  assert.deepEqual(handedDescriptors(env, 7), handed);
  assert.deepEqual(handedDescriptors(env, 8), [], 'it was another one');
  for (const count of ['', '0', '-1', '1.5', '65', 'x']) {
    assert.deepEqual(handedDescriptors({ ...env, LISTEN_FDS: count }, 7), [], count);
  }
  const unnamed = handedDescriptors({ ...env, LISTEN_FDNAMES: undefined }, 7);
  assert.deepEqual(
    unnamed.map(({ unit }) => unit),
    ['', ''],
  );
});
