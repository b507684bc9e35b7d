import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '@banger/contract/digest.ts';
import { type Change, createEvents } from './events.ts';

const removed = (name: string): Change => ({
  is: 'image',
  change: 'removed',
  name,
  digest: `sha256:${'a'.repeat(64)}` as Digest,
});
const create = (maxQueued?: number) => createEvents({ now: () => new Date(0), ...(maxQueued && { maxQueued }) });

test('each listener hears what comes after it began, in order, however many listen', async () => {
  const events = create();
  const leaving = new AbortController();
  events.publish(removed('before'));
  const first = events.listen(leaving.signal);
  events.publish(removed('one'));
  const second = events.listen(leaving.signal);
  events.publish(removed('two'));
  assert.deepEqual((await first.next()).value, { ...removed('one'), at: '1970-01-01T00:00:00.000Z' });
  for (const listener of [first, second]) {
    assert.deepEqual((await listener.next()).value, { ...removed('two'), at: '1970-01-01T00:00:00.000Z' });
  }
  const waiting = first.next();
  leaving.abort();
  assert.equal((await waiting).done, true);
});

test('one that reads too slowly is told how much it missed, and then hears the newest', async () => {
  const events = create(3);
  const slow = events.listen(new AbortController().signal);
  const quick = events.listen(new AbortController().signal);
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    events.publish(removed(name));
    assert.deepEqual((await quick.next()).value, { ...removed(name), at: '1970-01-01T00:00:00.000Z' });
  }
  assert.deepEqual((await slow.next()).value, { is: 'gap', at: '1970-01-01T00:00:00.000Z', missed: 3 });
  assert.equal((await slow.next()).value.name, 'd');
  assert.equal((await slow.next()).value.name, 'e');
});

test('one that has left already hears nothing', async () => {
  const events = create();
  const listener = events.listen(AbortSignal.abort());
  events.publish(removed('a'));
  assert.equal((await listener.next()).done, true);
});
