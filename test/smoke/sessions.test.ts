/** Story: a long command goes on without its starter, and can be found, joined and ended later. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHome } from '../support/banger-home.ts';
import { watchOutput } from '../support/watch-output.ts';

const SCROLLBACK_BYTES = 256 * 1024;

test('detached commands', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--start']);
  const detach = async (script: string) => {
    const { code, stdout, stderr } = await home.run(['vm', 'exec', '-d', 'web', '--', 'sh', '-c', script]);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const inside = (script: string) => ['vm', 'exec', 'web', '--', 'sh', '-c', script];
  const attach = (id: string) => watchOutput(home.start(['vm', 'attach', 'web', id]));
  /** A script that waits for a word from `say` */
  const waitsFor = (name: string) => `mkfifo /tmp/${name}; echo begun; read word </tmp/${name}; echo "got $word"`;
  const say = (name: string, word: string) => home.run(inside(`echo ${word} >/tmp/${name}`));
  const ids = async () => (await home.sessions('web')).map(({ id }) => id);

  await t.test('one is listed, and joined with what it said before', async () => {
    const id = await detach(`${waitsFor('first')}; echo oops >&2; exit 7`);
    const [session] = await home.sessions('web');
    assert.deepEqual([session?.id, session?.attached, session?.tty, session?.exit], [id, false, false, null]);
    assert.match((await home.run(['vm', 'sessions', 'web'])).stdout, new RegExp(`^${id} +detached +root +no `, 'm'));

    const joined = attach(id);
    await joined.until('begun\n');
    assert.equal((await home.sessions('web'))[0]?.attached, true);
    await say('first', 'word');
    const { code, stdout, stderr } = await joined.ended();
    assert.deepEqual([code, `${stdout}`, stderr], [7, 'begun\ngot word\n', 'oops\n']);
    assert.deepEqual(await ids(), []);
  });

  await t.test('how one ended is kept until somebody joins it', async () => {
    const id = await detach('echo done; exit 9');
    const [session] = await home.untilSessions('web', ([found]) => found?.exit !== null);
    assert.deepEqual(session?.exit, { code: 9 });
    assert.match((await home.run(['vm', 'sessions', 'web'])).stdout, /exited 9/);
    const joined = await home.run(['vm', 'attach', 'web', id]);
    assert.deepEqual([joined.code, joined.stdout, joined.stderr], [9, 'done\n', '']);
    const again = await home.run(['vm', 'attach', 'web', id]);
    assert.match(again.stderr, /\(SESSION_NOT_FOUND\)/);
    assert.equal(again.code, 66);
  });

  await t.test('of much output the end is kept, and it says how much is lost', async () => {
    const whole = Array.from({ length: 100_000 }, (_, index) => `${index + 1}\n`).join('');
    const id = await detach('seq 1 100000');
    await home.untilSessions('web', ([found]) => found?.exit !== null);
    const { code, stdout, stderr } = await home.run(['vm', 'attach', 'web', id]);
    assert.equal(code, 0, stderr);
    assert.ok(stdout === whole.slice(-SCROLLBACK_BYTES), `${stdout.length} bytes, not the last of the output`);
    assert.equal(stderr, `(${whole.length - SCROLLBACK_BYTES} bytes of earlier output are no longer kept)\n`);
  });

  await t.test('who joins second takes it over, and the first is told so', async () => {
    const id = await detach(waitsFor('second'));
    const first = attach(id);
    await first.until('begun\n');
    const second = attach(id);
    await second.until('begun\n');
    const { code, stderr } = await first.ended();
    assert.equal(code, 75);
    assert.match(stderr, new RegExp(`^banger: .* ${id}; .* \\(SESSION_TAKEN\\)$`, 'm'));
    await say('second', 'word');
    const ended = await second.ended();
    assert.deepEqual([ended.code, `${ended.stdout}`], [0, 'begun\ngot word\n']);
  });

  await t.test('one that is ended is gone with its process, even when it does not want to go', async () => {
    const polite = await detach('exec sleep 4321');
    const stubborn = await detach('trap "" HUP TERM; while :; do sleep 8765; done');
    await home.json(['vm', 'sessions', 'web', '--end', polite]);
    await home.json(['vm', 'sessions', 'web', '--end', stubborn]);
    assert.deepEqual(await ids(), []);
    await home.untilOutput(['vm', 'exec', 'web', '--', 'pgrep', '-f', 'sleep (4321|8765)'], ({ code }) => code === 1);
  });

  await t.test('they outlive a daemon that is killed, joined or not', async () => {
    const joinedId = await detach(`${waitsFor('third')}; exit 3`);
    const otherId = await detach(`${waitsFor('fourth')}; exit 4`);
    const joined = attach(joinedId);
    await joined.until('begun\n');
    await home.killDaemon();
    assert.equal((await joined.ended()).code, 70);
    assert.deepEqual((await ids()).sort(), [joinedId, otherId].sort());
    for (const [id, name, exit] of [
      [joinedId, 'third', 3],
      [otherId, 'fourth', 4],
    ] as const) {
      await say(name, 'word');
      const { code, stdout } = await home.run(['vm', 'attach', 'web', id]);
      assert.deepEqual([code, stdout], [exit, 'begun\ngot word\n']);
    }
  });
});
