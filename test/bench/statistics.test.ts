import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interleave, quantile, ratios, slope, summarize } from './statistics.ts';

test('a median lies between the two in the middle, a p95 near the top', () => {
  assert.deepEqual(summarize([4, 1, 3, 2]), { median: 2.5, p95: 3.8499999999999996, rounds: 4 });
  assert.equal(quantile([7], 0.95), 7);
});

test('ratios are made round by round', () => {
  assert.deepEqual(ratios([2, 9], [1, 3]), [2, 3]);
});

test('one jump is no growth', () => {
  assert.equal(slope([5, 5, 5, 90, 5, 5]), 0);
  assert.equal(slope([1, 3, 5, 7]), 2);
});

test('the order turns around at every round', async () => {
  const order: string[] = [];
  const note = (name: string) => async () => order.push(name);
  const values = await interleave(2, { a: note('a'), b: note('b') });
  assert.equal(order.join(''), 'abba');
  assert.deepEqual(values, { a: [1, 4], b: [2, 3] });
});
