import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createLog } from '../../platform/log.ts';
import { spareBytes, untilNextLook, watchSpace } from './space-watch.ts';

const MIB = 2 ** 20;
const SOON_MS = { most: 1, least: 1, stopped: 1 };

test('below the floor nothing is to spare, and a disk that cannot grow keeps next to nothing', () => {
  assert.equal(spareBytes({ freeBytes: 300 * MIB, growthBytes: 8192 * MIB }), 44 * MIB);
  assert.equal(spareBytes({ freeBytes: 200 * MIB, growthBytes: 8192 * MIB }), -56 * MIB);
  assert.equal(spareBytes({ freeBytes: 20 * MIB, growthBytes: 0 }), 4 * MIB);
  assert.equal(spareBytes({ freeBytes: 100 * MIB, growthBytes: 50 * MIB }), 34 * MIB);
});

test('the less there is to spare, the sooner it is looked at again, before it can be written', () => {
  assert.equal(untilNextLook(1024 * 1024 * MIB), 5000);
  assert.equal(untilNextLook(2048 * MIB), 1000);
  assert.equal(untilNextLook(MIB), 50);
});

test('a machine is stopped before the disk is full, and goes on when there is space enough not to stop at once', async (t) => {
  const { story, setFree } = watch(t, { freeMib: 1000 });
  setFree(255);
  await story.until(['stop', 'disk-full']);
  setFree(256 + 63);
  await story.looks(3);
  assert.deepEqual(story.told, ['stop', 'disk-full']);
  setFree(256 + 64);
  await story.until(['stop', 'disk-full', 'go on', null]);
});

test('of several disks the one with the least space counts', async (t) => {
  const { story } = watch(t, { freeMib: 1000, disks: ['/roomy', '/full'] });
  await story.until(['stop', 'disk-full']);
});

test('one that was stopped when it was taken over goes on as well', async (t) => {
  const { story } = watch(t, { freeMib: 1000, isStopped: true });
  await story.until(['go on', null]);
});

test('a look that fails is repeated, and stops nothing', async (t) => {
  const { story, setFree } = watch(t, { freeMib: Number.NaN });
  await story.looks(3);
  assert.deepEqual(story.told, []);
  setFree(1);
  await story.until(['stop', 'disk-full']);
});

type Watched = { freeMib: number; disks?: string[]; isStopped?: boolean };

function watch(t: TestContext, { freeMib, disks = ['/disk'], isStopped = false }: Watched) {
  let free = freeMib;
  let looks = 0;
  let { promise: looked, resolve } = Promise.withResolvers<void>();
  const told: (string | null)[] = [];
  const measure = async (disk: string) => {
    looks++;
    resolve();
    ({ promise: looked, resolve } = Promise.withResolvers<void>());
    if (Number.isNaN(free)) throw new Error('it is not there');
    return { freeBytes: (disk === '/full' ? 0 : free) * MIB, growthBytes: 8192 * MIB };
  };
  const watching = watchSpace({
    ...{ disks, isStopped, log: createLog(() => {}), room: { measure, looksMs: SOON_MS } },
    stop: () => told.push('stop'),
    goOn: () => told.push('go on'),
    onChange: (stall) => told.push(stall),
  });
  t.after(watching.end);
  const beat = setInterval(() => {}, 1000); // what the watch waits by keeps no process alive
  t.after(() => clearInterval(beat));
  const story = {
    told,
    async until(wanted: (string | null)[]) {
      while (told.length < wanted.length) await looked;
      assert.deepEqual(told, wanted);
    },
    async looks(more: number) {
      for (const from = looks; looks < from + more; ) await looked;
    },
  };
  return { story, setFree };

  function setFree(mib: number): void {
    free = mib;
  }
}
