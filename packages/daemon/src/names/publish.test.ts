import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { namesOf } from '@banger/contract/privileged/places.ts';
import { Task } from '../platform/task.ts';
import { createPublishing } from './publish.ts';

const task = Task.background();
const LOOK_MS = 10_000;

test('the host is told once, however many machines start', async (t) => {
  const { publishing, asked } = host(t);
  await publishing.begin(task, 0);
  await publishing.begin(task, 0);
  assert.deepEqual(asked, [0]);
});

test('it answers in each subnet that the host is told of', async (t) => {
  const { publishing, asked, served } = host(t);
  for (const subnet of [0, 3, 0]) await publishing.begin(task, subnet);
  assert.deepEqual(asked, [0, 3]);
  assert.deepEqual(served, [0, 3].map(namesOf));
});

test('a daemon that comes up has the host told of the subnet of the latest machine, and of those that machines run in', async (t) => {
  const { publishing, asked, has } = host(t);
  has.inUse = [5, 2];
  await publishing.keep(2);
  assert.deepEqual(asked, [5, 2]);
});

test('a daemon that takes long to come up leaves alone what an earlier one has published', async (t) => {
  const { publishing, asked, has, said, passMs } = host(t);
  has.inUse = [5];
  has.noPort = true; // the sockets are not served yet
  await passMs(3 * LOOK_MS);
  assert.deepEqual([asked, said], [[], []]);
  has.noPort = false;
  await publishing.keep(null);
  assert.deepEqual([asked, said], [[5], []]);
});

test('a host that refuses when the daemon comes up is asked again, and complained of once', async (t) => {
  const { publishing, asked, has, said, passMs } = host(t);
  has.refuses = true;
  await publishing.keep(4);
  await passMs(130_000);
  has.refuses = false;
  await passMs(130_000);
  assert.deepEqual(asked, [4, 4, 4, 4]);
  assert.deepEqual(said, ['the host does not ask here for names of machines']);
});

test('a subnet in which no machine runs any more is left alone', async (t) => {
  const { publishing, asked, has, passMs } = host(t);
  await publishing.begin(task, 0);
  await publishing.begin(task, 3);
  has.seen = 'another resolver';
  await passMs(LOOK_MS);
  assert.deepEqual(asked, [0, 3, 3]);
});

test('where nobody here could answer the host is not even asked', async (t) => {
  const { publishing, asked, has, said } = host(t);
  has.noPort = true;
  await assert.rejects(publishing.begin(task, 0), /no port/);
  assert.deepEqual([asked, said], [[], ['withdrawn']], 'what an earlier daemon had it asked is taken back');
});

test('after the resolver started anew, or the device went, the host is told again', async (t) => {
  const { publishing, asked, has, passMs } = host(t);
  await publishing.begin(task, 2);
  for (const seen of ['another resolver', 'no device']) {
    has.seen = seen;
    await passMs(LOOK_MS);
    await passMs(LOOK_MS);
  }
  assert.deepEqual(asked, [2, 2, 2]);
});

test('a host that refuses is asked again a minute later, and told in the log', async (t) => {
  const { publishing, asked, has, said, passMs } = host(t);
  await publishing.begin(task, 0);
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
  await assert.rejects(publishing.begin(task, 0), /claimed/);
  has.refuses = false;
  has.takesPort = true;
  await assert.rejects(publishing.begin(task, 0), /port taken/);
  assert.deepEqual(said, ['withdrawn']);
  has.seen = 'something else';
  await passMs(LOOK_MS);
  assert.deepEqual(asked, [0, 0]);
});

function host(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let nowMs = 0;
  const has = { seen: 'a resolver', refuses: false, noPort: false, takesPort: false, inUse: [] as number[] };
  const said: string[] = [];
  const served: string[] = [];
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
    subnetsInUse: () => has.inUse,
    expectPort: async () => {
      if (has.noPort) throw new Error('no port');
    },
    serve: async (address) => {
      if (has.takesPort) throw new Error('port taken meanwhile');
      served.push(address);
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
  return { publishing, asked, served, has, said, passMs };
}
