/** Story: a person sits at a terminal, and it behaves as if the shell in the machine were their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';
import { openScreen } from '../support/screen.ts';

test('a shell in a machine on a terminal', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--start']);
  const screen = await openScreen(t, home, { cols: 100, rows: 30 });
  await screen.type('echo before: $(stty -g)');
  const [, modesBefore] = await screen.until(/^before: (\S+)$/m);

  await t.test('it has a prompt and the size of the window', async () => {
    await screen.type('banger vm exec web');
    await screen.until(/^root@web:~# /m);
    await screen.type('echo size: $(stty size) on $(tty)');
    await screen.until(/^size: 30 100 on \/dev\/pts\/\d+$/m);
  });

  await t.test('a window of another size is told to what runs in there', async () => {
    await screen.type("trap 'echo now: $(stty size)' WINCH; while :; do read -t 1 line && break; done");
    await screen.type('echo set:');
    await screen.resize({ cols: 120, rows: 41 });
    await screen.type('');
    await screen.type('echo now: $(stty size)');
    await screen.until(/^now: 41 120$/m);
  });

  await t.test('Ctrl-C interrupts the command and not the shell', async () => {
    await screen.type('sleep 4321');
    while ((await home.run(['vm', 'exec', 'web', '--', 'pgrep', '-f', 'sleep 4321'])).code !== 0);
    await screen.press('C-c');
    await screen.type('echo interrupted: $?');
    await screen.until(/^interrupted: 130$/m);
  });

  await t.test("the shell's exit code is the command's, and the terminal is as it was", async () => {
    await screen.type('exit 3');
    await screen.type('echo ended: $?; echo after: $(stty -g)');
    await screen.until(/^ended: 3$/m);
    const [, modesAfter] = await screen.until(/^after: (\S+)$/m);
    assert.equal(modesAfter, modesBefore);
  });
});
