import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { namesOf } from '@banger/contract/privileged/places.ts';
import { Task } from '../platform/task.ts';
import { createPublishing } from './publish.ts';

const task = Task.background();
const LOOK_MS = 10_000;

test('the host is told once, however many machines start', async (t) => {
  const { publishing, asked } = host(t);
  await publishing.begin(task, 0, async () => {});
  await publishing.begin(task, 0, async () => {});
  assert.deepEqual(asked, [0]);
});

test('another subnet takes the place of the one before', async (t) => {
  const { publishing, asked } = host(t);
  const served: string[] = [];
  const serve = async (address: string) => void served.push(address);
  for (const subnet of [0, 3, 0]) await publishing.begin(task, subnet, serve);
  assert.deepEqual(asked, [0, 3, 0]);
  assert.deepEqual(served, [0, 3, 0].map(namesOf));
});

test('after the resolver started anew, or the device went, the host is told again', async (t) => {
  const { publishing, asked, has, passMs } = host(t);
  await publishing.begin(task, 2, async () => {});
  for (const seen of ['another resolver', 'no device']) {
    has.seen = seen;
    await passMs(LOOK_MS);
    await passMs(LOOK_MS);
  }
  assert.deepEqual(asked, [2, 2, 2]);
});

test('a host that refuses is asked again a minute later, and told in the log', async (t) => {
  const { publishing, asked, has, said, passMs } = host(t);
  await publishing.begin(task, 0, async () => {});
  has.seen = 'no device';
  has.refuses = true;
  await passMs(50_000);
  assert.deepEqual([asked.length, said.length], [2, 1]);
  has.refuses = false;
  await passMs(20_000);
  assert.deepEqual([asked.length, said.length], [3, 1]);
});

test('a subnet that is refused is not kept, and neither is one where nobody answers', async (t) => {
  const { publishing, asked, has, said, passMs } = host(t);
  has.refuses = true;
  await assert.rejects(
    publishing.begin(task, 0, async () => {}),
    /claimed/,
  );
  has.refuses = false;
  const unserved = () => Promise.reject(new Error('no port'));
  await assert.rejects(publishing.begin(task, 0, unserved), /no port/);
  assert.deepEqual(said, ['withdrawn']);
  has.seen = 'something else';
  await passMs(LOOK_MS);
  assert.deepEqual(asked, [0, 0]);
});

function host(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let nowMs = 0;
  const has = { seen: 'a resolver', refuses: false };
  const said: string[] = [];
  const asked: number[] = [];
  const publishing = createPublishing({
    helper: {
      async publish(_task, subnet) {
        asked.push(subnet);
        if (has.refuses) throw new Error('the subnet is claimed');
        return { address: namesOf(subnet), resolver: 'resolved' };
      },
      withdraw: async () => said.push('withdrawn'),
    },
    log: { info: () => {}, warn: (text) => void said.push(text) },
    monotonicMs: () => nowMs,
    look: () => has.seen,
    lookMs: LOOK_MS,
  });
  t.after(publishing.end);
  /** With each look in it done. */
  const passMs = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += LOOK_MS) {
      nowMs += LOOK_MS;
      t.mock.timers.tick(LOOK_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { publishing, asked, has, said, passMs };
}
