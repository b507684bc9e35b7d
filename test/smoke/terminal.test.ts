/** Story: a person sits at a terminal, and the shell in the machine behaves as if it were their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';
import { openScreen } from '../support/screen.ts';

test('a shell in a machine', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--start']);
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
