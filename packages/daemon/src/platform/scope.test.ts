import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScopes, judgeScope, type ScopeFacts, scopeWords, TOO_SLOW } from './scope.ts';
import { Task } from './task.ts';

const USER: ScopeFacts = { isRoot: false, isBooted: true, hasTool: true, hasManager: true, isLingering: true };
const BOUNDS = { memoryBytes: 2 ** 30, processes: 100 };

const HOSTS: [host: string, facts: Partial<ScopeFacts>, obstacle: RegExp | null][] = [
  ['a user who lingers', {}, null],
  ['root, who has no systemd of its own', { isRoot: true, hasManager: false, isLingering: false }, null],
  ['a user whose systemd ends with the session', { isLingering: false }, /last session/],
  ['a user who lingers from the next boot on', { hasManager: false }, /no systemd of your own/],
  ['a host of another init', { isBooted: false, isRoot: true }, /does not run this host/],
  ['a host without systemd-run', { hasTool: false }, /does not run this host/],
];

for (const [host, facts, obstacle] of HOSTS) {
  test(`${host} ${obstacle ? 'has no bounds, and a reason' : 'may have bounds'}`, () => {
    const found = judgeScope({ ...USER, ...facts });
    if (obstacle) assert.match(found as string, obstacle);
    else assert.equal(found, null);
  });
}

test('a program is bounded by the systemd of its user, and by root in that of the host', () => {
  const [own, host] = [scopeWords(false, BOUNDS), scopeWords(true, BOUNDS)];
  assert.deepEqual([own.includes('--user'), host.includes('--user')], [true, false]);
  for (const words of [own, host]) assert.match(words.join(' '), /MemoryMax=1073741824 .*TasksMax=100 --$/);
});

test('a refusal is asked about again, also by those who wait for the same one, and what has worked is not', async () => {
  const answers = ['it is busy', null];
  let trials = 0;
  const scopes = createScopes(
    () => USER,
    async () => answers[trials++] ?? null,
  );
  const ask = () => scopes.findScopeObstacle(Task.background());
  assert.deepEqual(await Promise.all([ask(), ask()]), ['it is busy', 'it is busy']);
  assert.deepEqual([await ask(), await ask(), trials], [null, null, 2]);
  assert.match((await scopes.around(Task.background(), BOUNDS)).words.join(' '), /^systemd-run --user --scope /);
});

test('what has worked is asked about again when a program did not begin', async () => {
  const answers = [null, 'it is gone', null, null];
  let trials = 0;
  const scopes = createScopes(
    () => USER,
    async () => answers[trials++] as string | null,
  );
  const background = Task.background();
  const hasBounds = async () => (await scopes.around(background, BOUNDS)).words.length > 0;
  assert.deepEqual([await hasBounds(), await scopes.isLost(background)], [true, true]);
  assert.deepEqual([await hasBounds(), await scopes.isLost(background), trials], [true, false, 4]);
});

test('no start waits twice for a systemd that does not answer, and bounds are back once it does', async () => {
  const answer = Promise.withResolvers<null>();
  const answers = [Promise.resolve(TOO_SLOW), answer.promise];
  let trials = 0;
  const scopes = createScopes(
    () => USER,
    () => answers[trials++] as Promise<string | null>,
  );
  const background = Task.background();
  const hasBounds = async () => (await scopes.around(background, BOUNDS)).words.length > 0;
  assert.deepEqual([await hasBounds(), await hasBounds(), await hasBounds(), trials], [false, false, false, 2]);
  answer.resolve(null);
  assert.equal(await scopes.findScopeObstacle(background), null);
  assert.deepEqual([await hasBounds(), trials], [true, 2]);
});

test('where systemd refuses, a program gets no words, and the reason is told', async () => {
  let asked = 0;
  const scopes = createScopes(() => {
    asked += 1;
    return { ...USER, isBooted: false };
  });
  assert.deepEqual(await scopes.around(Task.background(), BOUNDS), { words: [], env: {} });
  assert.match((await scopes.findScopeObstacle(Task.background())) as string, /systemd/);
  assert.equal(asked, 2);
});
