import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { REACHES } from '../network-words.ts';
import { MAX_PRIVILEGED_REQUEST_BYTES, OPERATIONS, type OperationName, REFUSALS } from './operations.ts';
import { addressOf, GATEWAY_MAC, gatewayOf, LEASES, namesOf, SUBNET_BITS, SUBNETS, tapOf } from './places.ts';

const vectors = JSON.parse(readFileSync(new URL('../../vectors/privileged.json', import.meta.url), 'utf8'));

test('every operation is asked for, and answered, as the samples say', () => {
  const asked = new Set<string>();
  for (const { do: name, ...input } of vectors.requests as { do: OperationName }[]) {
    assert.deepEqual(OPERATIONS[name].input.parse(input), input, name);
    asked.add(name);
  }
  assert.deepEqual([...asked].sort(), Object.keys(OPERATIONS).sort());
  for (const [name, answer] of Object.entries(vectors.answers)) {
    assert.deepEqual(OPERATIONS[name as OperationName].answer.parse(answer), answer, name);
  }
});

test('what the root helper refuses cannot be said', () => {
  for (const { do: name, ...input } of vectors.refused as { do?: string }[]) {
    const operation = Object.entries(OPERATIONS).find(([known]) => known === name)?.[1];
    assert.ok(!operation?.input.safeParse(input).success, JSON.stringify({ name, ...input }));
  }
});

test('places, bounds and words are those of the sample', () => {
  assert.equal(vectors.maxRequestBytes, MAX_PRIVILEGED_REQUEST_BYTES);
  assert.equal(vectors.gatewayMac, GATEWAY_MAC);
  assert.deepEqual(vectors.leases, LEASES);
  assert.deepEqual(
    vectors.subnets,
    SUBNETS.map((network) => `${network}/${SUBNET_BITS}`),
  );
  for (const place of vectors.places as { subnet: number; lease: number }[]) {
    const { subnet, lease } = place;
    const said = { address: addressOf(place), gateway: gatewayOf(subnet), names: namesOf(subnet) };
    assert.deepEqual({ subnet, lease, ...said }, place);
  }
  for (const { vm, tap } of vectors.taps) assert.equal(tapOf(vm), tap);
  assert.throws(() => addressOf({ subnet: SUBNETS.length, lease: LEASES.min }));
  assert.deepEqual(vectors.refusals, REFUSALS);
  assert.deepEqual(vectors.requests[0].reach, REACHES);
});

test('the longest list of vms fits into a request', () => {
  const known = Array.from({ length: LEASES.max - LEASES.min + 1 }, () => '0123456789ab');
  const line = `${JSON.stringify({ do: 'sweep', known })}\n`;
  assert.ok(line.length <= MAX_PRIVILEGED_REQUEST_BYTES, `${line.length}`);
});
