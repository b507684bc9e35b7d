import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Bounds, NO_SCOPE, type Scope, type Scopes } from '../platform/scope.ts';
import { findStarted, killStarted } from '../platform/started.ts';
import { Task } from '../platform/task.ts';
import { startHeld, watchEnd } from './held.ts';

const task = Task.background();
const BOUNDS = { memoryBytes: 2 ** 26, processes: 16 };
const STAYS = 'printf ready >&3; exec 3>&-; exec tail "$@"';

test('it has a scope of its own with its bounds, and is found and ended in there as without one', async (t) => {
  const { runtimeFolder, start, read } = await makeRun(t);
  const asked: Bounds[] = [];
  const words = ['sh', '-c', `echo "$GROUP" > ${runtimeFolder}/group; exec "$@"`, 'sh'];
  await start(STAYS, scopesOf({ words, env: { GROUP: 'of its own' } }, { asked }));
  assert.deepEqual([asked, await read('group'), findStarted(runtimeFolder).length], [[BOUNDS], 'of its own\n', 1]);
  const ended = Promise.withResolvers<void>();
  t.after(watchEnd(runtimeFolder, ended.resolve));
  await killStarted(runtimeFolder);
  await ended.promise;
});

test('a systemd that bounds no more costs the bounds and not the network', async (t) => {
  const { runtimeFolder, start } = await makeRun(t);
  await start(STAYS, scopesOf({ words: ['false'], env: {} }, { isLost: true }));
  assert.equal(findStarted(runtimeFolder).length, 1);
});

for (const [where, scope] of [
  ['where systemd bounds as ever', { words: ['env'], env: {} }],
  ['where nothing is bounded', NO_SCOPE],
] as [string, Scope][]) {
  test(`one that fails ${where} is not tried twice, and its end is told`, async (t) => {
    const { runtimeFolder, start, read } = await makeRun(t);
    const failing = start('echo tried; exit 7', scopesOf(scope, { isLost: scope === NO_SCOPE }));
    await assert.rejects(failing, { message: 'exited with 7' });
    assert.deepEqual([await read('log'), findStarted(runtimeFolder)], ['tried\n', []]);
  });
}

function scopesOf(scope: Scope, { isLost = false, asked = [] as Bounds[] }): Scopes {
  return {
    around: async (_task, bounds) => {
      asked.push(bounds);
      return scope;
    },
    findScopeObstacle: async () => null,
    isLost: async () => isLost,
  };
}

async function makeRun(t: TestContext) {
  const runtimeFolder = await mkdtemp(join(tmpdir(), 'banger-held-'));
  const logPath = join(runtimeFolder, 'log');
  t.after(async () => {
    await killStarted(runtimeFolder);
    await rm(runtimeFolder, { recursive: true });
  });
  return { runtimeFolder, start, read };

  function start(script: string, scopes: Scopes): Promise<void> {
    return startHeld(task, ['sh', '-c', script, 'tail', '-f', '-n', '0', logPath], {
      ...{ runtimeFolder, logPath, hasReport: true, bounds: BOUNDS, scopes },
      untilReady: async ({ report }) => (await report) === 'ready',
    });
  }

  function read(name: string): Promise<string> {
    return readFile(join(runtimeFolder, name), 'utf8');
  }
}
