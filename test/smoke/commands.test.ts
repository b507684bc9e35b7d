/** Story: a command in a machine is used as if it were a local one: in scripts, in a terminal, and left to itself. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { BANGER } from '../../packages/cli/src/testing/run-banger.ts';
import { createHome, type Home } from '../support/banger-home.ts';
import { openScreen } from '../support/screen.ts';
import { watchOutput } from '../support/watch-output.ts';

const BIG_BYTES = 8 * 2 ** 20;
const SCROLLBACK_BYTES = 256 * 1024;
/** Of a Perl program: from now on it only listens to signals */
const LISTENING = 'print "ready\\n"; select(undef, undef, undef, 0.1) while 1;';

test('commands in a machine', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--start']);
  await t.test('a command in a machine, in scripts and pipelines', (t) => inScripts(t, home));
  await t.test('detached commands', (t) => detached(t, home));
  await t.test('a shell in a machine', (t) => inTerminal(t, home));
});

test('a shell in a fresh machine that is gone afterwards', async (t) => {
  const home = await createHome(t);
  const screen = await openScreen(t, home);
  await screen.type('banger vm run --rm --name once --memory 384M; echo ended: $?');
  await screen.until(/^root@once:~#/m);
  await screen.type('exit 5');
  await screen.until(/^ended: 5$/m);
  assert.deepEqual((await home.json<{ vms: Vm[] }>(['vm', 'ls'])).vms, []);
  assert.deepEqual(await home.leftovers(), []);
});

async function inScripts(t: TestContext, home: Home): Promise<void> {
  const inside = (...command: string[]) => ['vm', 'exec', 'web', '--', ...command];
  const start = (...command: string[]) => {
    const child = home.start(inside(...command));
    return { child, output: watchOutput(child) };
  };
  /** A line of bash on the host, in which `inside` runs a command in the machine */
  const pipeline = (line: string) => {
    const script = `inside() { ${BANGER} vm exec web -- "$@"; }; ${line}`;
    return watchOutput(spawn('bash', ['-c', script], { env: home.env, stdio: 'pipe' })).ended();
  };
  const untilNoneRuns = (pattern: string) => home.untilOutput(inside('pgrep', '-f', pattern), ({ code }) => code === 1);

  await t.test('any bytes go in and come out, however many', async () => {
    const bytes = randomBytes(BIG_BYTES);
    const hash = createHash('sha256').update(bytes).digest('hex');
    const counted = await home.run(inside('sha256sum'), { stdin: bytes });
    assert.deepEqual([counted.code, counted.stdout], [0, `${hash}  -\n`]);

    const { child, output } = start('cat');
    child.stdin?.end(bytes);
    const { code, stdout, stderr } = await output.ended();
    assert.deepEqual([code, stderr, stdout.length], [0, '', BIG_BYTES]);
    assert.equal(createHash('sha256').update(stdout).digest('hex'), hash);
  });

  await t.test('a command that reads nothing does not wait for its input', async () => {
    assert.equal((await home.run(inside('true'), { stdin: randomBytes(BIG_BYTES) })).code, 0);
    const { output } = start('echo', 'done'); // its stdin stays open
    assert.deepEqual(
      { ...(await output.ended()), stdout: 'done\n' },
      { code: 0, signal: null, stdout: 'done\n', stderr: '' },
    );
  });

  await t.test('a reader that has had enough ends it quietly, on both sides', async () => {
    const { stdout, stderr } = await pipeline('inside yes banger | head -c 1; echo ":$PIPESTATUS"');
    assert.deepEqual([`${stdout}`, stderr], ['b:141\n', '']);
    await untilNoneRuns('yes banger');
  });

  await t.test('a reader that is slow gets everything, and the exit code', async () => {
    const sizes = [100_000, 350_000, 450_000, 800_000];
    const line = (bytes: number) => `inside head -c ${bytes} /dev/zero | (sleep 1; wc -c); echo "$PIPESTATUS"`;
    const outputs = await Promise.all(sizes.map((bytes) => pipeline(line(bytes))));
    assert.deepEqual(
      outputs.map(({ stdout, stderr }) => `${stdout}${stderr}`),
      sizes.map((bytes) => `${bytes}\n0\n`),
    );
  });

  for (const [script, code] of [
    ['exit 0', 0],
    ['exit 1', 1],
    ['exit 255', 255],
    ['kill -KILL $$', 128 + 9],
    ['kill -SEGV $$', 128 + 11],
  ] as const) {
    await t.test(`${script} gives ${code}`, async () => {
      const output = await home.run(inside('sh', '-c', script));
      assert.deepEqual(output, { code, signal: null, stdout: '', stderr: '' });
    });
  }

  await t.test('signals reach it, and it decides what they mean', async () => {
    const names = ['HUP', 'QUIT', 'USR2', 'INT', 'TERM', 'USR1'] as const;
    // Perl handles each signal, and at once; a shell does after what it waits for, and may lose one.
    const traps = names.map((name) => `$SIG{${name}} = sub { print "got ${name}\\n" };`).join(' ');
    const { child, output } = start('perl', '-e', `$| = 1; ${traps} ${LISTENING}`);
    await output.until('ready\n');
    for (const name of names) {
      child.kill(`SIG${name}`);
      await output.until(`got ${name}\n`);
    }
    child.kill('SIGKILL');
    assert.equal((await output.ended()).signal, 'SIGKILL');
  });

  await t.test('a signal that it does not catch ends it, and banger with the code for that', async () => {
    const { child, output } = start('sh', '-c', 'echo ready; exec sleep 1357');
    await output.until('ready\n');
    child.kill('SIGTERM');
    const { code, stderr } = await output.ended();
    assert.deepEqual([code, stderr], [128 + 15, '']);
  });

  await t.test('one that does not listen is left with three Ctrl-C, and is gone', async () => {
    const deaf = `$| = 1; $SIG{INT} = sub { print "heard " . ++$n . "\\n" }; ${LISTENING}`;
    const { child, output } = start('perl', '-e', deaf, 'marked-2468');
    await output.until('ready\n');
    // Each press waits for the one before it, as signals that come at once are one signal.
    for (let presses = 1, isHeard = true; isHeard; presses++) {
      child.kill('SIGINT');
      isHeard = await output.until(`heard ${presses}\n`).then(
        () => true,
        () => false,
      );
    }
    assert.equal((await output.ended()).code, 130);
    await untilNoneRuns('marked-2468');
  });

  await t.test('when its client is killed, it and its children are gone', async () => {
    const { child, output } = start('sh', '-c', 'trap "" HUP; sleep 1111 & echo ready; sleep 2222');
    await output.until('ready\n');
    child.kill('SIGKILL');
    await output.ended();
    await untilNoneRuns('sleep (1111|2222)');
  });
}

async function detached(t: TestContext, home: Home): Promise<void> {
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
}

async function inTerminal(t: TestContext, home: Home): Promise<void> {
  const inside = (...command: string[]) => ['vm', 'exec', 'web', '--', ...command];
  const isThere = ({ code }: { code: number | null }) => code === 0;
  const isGone = ({ code }: { code: number | null }) => code === 1;
  const screen = await openScreen(t, home, { cols: 100, rows: 30 });
  await screen.type('echo before: $(stty -g)');
  const [, modesBefore] = await screen.until(/^before: (\S+)$/m);

  await t.test('it has a prompt, and a terminal of the size of the window', async () => {
    await screen.type('banger vm exec web; echo ended: $?; echo after: $(stty -g)');
    await screen.until(/^root@web:~#/m);
    await screen.type('echo size: $(stty size) on $(tty)');
    await screen.until(/^size: 30 100 on \/dev\/pts\/\d+$/m);
  });

  await t.test('what runs in it is told of a new size of the window', async () => {
    const onResize = 'trap "echo now: \\$(stty size); exit" WINCH';
    await screen.type(`sh -c '${onResize}; echo waiting: $((1 + 1)); while :; do read line; done'`);
    await screen.until(/^waiting: 2$/m);
    await screen.resize({ cols: 120, rows: 41 });
    await screen.until(/^now: 41 120$/m);
  });

  await t.test('Ctrl-C interrupts the command and not the shell', async () => {
    await screen.type('sleep 4321');
    await home.untilOutput(inside('pgrep', '-f', 'sleep 4321'), isThere);
    await screen.press('C-c');
    await screen.type('echo interrupted: $?');
    await screen.until(/^interrupted: 130$/m);
  });

  await t.test("its exit code is the command's, and the terminal is as it was before", async () => {
    await screen.type('exit 3');
    await screen.until(/^ended: 3$/m);
    const [, modesAfter] = await screen.until(/^after: (\S+)$/m);
    assert.equal(modesAfter, modesBefore);
  });

  await t.test('a command gets a terminal when it is asked for, and its exit code comes back', async () => {
    await screen.type(
      `banger vm exec -t web -- sh -c 'test -t 0 && echo terminal: $(stty size); exit 4'; echo code: $?`,
    );
    await screen.until(/^terminal: 41 120$/m);
    await screen.until(/^code: 4$/m);
  });

  await t.test('without a terminal on this side there is none in there, unless it is asked for', async () => {
    const { stdout } = await home.run(inside('sh', '-c', 'for fd in 0 1 2; do test -t $fd; echo $?; done; tty'));
    assert.equal(stdout, '1\n1\n1\nnot a tty\n');
    const shell = await home.run(['vm', 'exec', 'web'], { stdin: 'tty; echo bye; exit 6\n' });
    assert.deepEqual([shell.stdout, shell.code], ['not a tty\nbye\n', 6]);
    const asked = await home.run(['vm', 'exec', '--tty', 'web', '--', 'tty']);
    assert.match(asked.stdout, /^\/dev\/pts\/\d+\r\n$/);
  });

  await t.test('a detached shell is joined, left with Ctrl-], and goes on', async () => {
    const session = (await home.run(['vm', 'exec', '-d', 'web'])).stdout.trim();
    await screen.type(`banger vm attach web ${session}; echo left: $?; echo modes: $(stty -g)`);
    await screen.until(/^Ctrl-\] leaves the command running\.$/m);
    await screen.type('echo joined: $((20 + 2))');
    await screen.until(/^joined: 22$/m);
    await screen.press('C-]');
    await screen.until(/left: 0$/m); // behind the guest's prompt
    const [, modes] = await screen.until(/^modes: (\S+)$/m);
    assert.equal(modes, modesBefore);
    const [kept] = await home.untilSessions('web', ([found]) => found?.attached === false);
    assert.deepEqual([kept?.id, kept?.tty, kept?.exit], [session, true, null]);
    await home.json(['vm', 'sessions', 'web', '--end', session]);
  });

  await t.test('a window that is closed takes its shell and what runs in it along', async () => {
    await screen.type('banger vm exec --cwd /tmp web');
    await screen.until(/^root@web:\/tmp#/m);
    await screen.type('sleep 8765');
    await home.untilOutput(inside('pgrep', '-f', 'sleep 8765'), isThere);
    await screen.close();
    await home.untilOutput(inside('pgrep', '-f', 'sleep 8765'), isGone);
    await home.untilSessions('web', (sessions) => sessions.length === 0);
  });
}
