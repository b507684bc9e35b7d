import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OperationEvent } from '@banger/contract/api/operations.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { createLog } from '../platform/log.ts';
import { createOperations } from './operations.ts';

const create = () => createOperations({ log: createLog(() => {}), now: () => new Date(0) });
const never = new AbortController().signal;

async function collect(events: AsyncIterable<OperationEvent>): Promise<OperationEvent[]> {
  const all: OperationEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

test('events come in order, and again for who comes late', async () => {
  const operation = create().begin('vm.create', 'web', async (task) => {
    task.step('one');
    task.note('by the way');
    task.step('two');
    return 42;
  });
  const first = await collect(operation.events(never));
  assert.deepEqual(
    first.map(({ is }) => is),
    ['begun', 'step', 'note', 'step', 'done'],
  );
  assert.deepEqual(first.at(-1)?.is === 'done' && first.at(-1), { ...first.at(-1), result: 42 });
  assert.deepEqual(await collect(operation.events(never)), first);
});

test('a cancelled operation says so once it is undone', async () => {
  const operations = create();
  let isUndone = false;
  const operation = operations.begin('vm.start', 'web', async (task) => {
    try {
      await task.race(new Promise(() => {}));
    } finally {
      isUndone = true;
    }
  });
  operations.cancel(operation.id);
  const last = (await collect(operation.events(never))).at(-1);
  assert.equal(last?.is === 'failed' && last.error.code, 'CANCELLED');
  assert.ok(isUndone);
  assert.equal(operations.list()[0]?.state, 'cancelled');
});

test('a failure keeps its code and hint', async () => {
  const operation = create().begin('vm.start', 'web', async () => {
    throw new BangerError('DISK_FULL', { message: 'm', hint: 'h' });
  });
  const last = (await collect(operation.events(never))).at(-1);
  assert.deepEqual(last?.is === 'failed' && last.error, { code: 'DISK_FULL', message: 'm', hint: 'h' });
});

test('a reader that leaves does not end the operation', async () => {
  const operations = create();
  const { promise, resolve } = Promise.withResolvers<string>();
  const operation = operations.begin('vm.start', 'web', () => promise);
  const leaving = new AbortController();
  const reading = collect(operation.events(leaving.signal));
  leaving.abort();
  await reading;
  resolve('done all the same');
  assert.equal(await operation.result, 'done all the same');
});

test('old operations are forgotten, running ones never', async () => {
  const operations = create();
  const running = operations.begin('vm.start', 'slow', () => new Promise(() => {}));
  for (let count = 0; count < 300; count++) await operations.begin('vm.stop', `vm${count}`, async () => null).result;
  assert.ok(operations.list().length <= 201);
  assert.equal(operations.find(running.id).id, running.id);
  assert.throws(() => operations.find('gone'), { code: 'OPERATION_NOT_FOUND' });
});
