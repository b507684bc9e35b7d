/** Story: what programs and people take for granted of a computer is so in a machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';
import { openScreen } from '../support/screen.ts';

/** On `::1` only, as many a development server */
const SERVER = `use IO::Socket::IP; my $server = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 5173, Listen => 8,
  ReuseAddr => 1) or die; while (my $caller = $server->accept) { print $caller "hello from ::1\\n"; close $caller }`;

test('the world in a machine', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--memory', '512M', '--start']);
  const inside = (...command: string[]) => home.run(['vm', 'exec', 'web', '--', ...command]);

  await t.test('a command may be as long as Linux takes it', async () => {
    const words = Array.from({ length: 15 }, () => 'x'.repeat(130_000));
    const { code, stdout, stderr } = await inside('sh', '-c', 'echo $#; printf %s "$@" | wc -c', 'sh', ...words);
    assert.deepEqual([code, stdout, stderr], [0, `15\n${15 * 130_000}\n`, '']);
  });

  await t.test('devices are open to ordinary users from the first moment, and stay so', async () => {
    const modes = ['stat', '-c', '%a %n', '/dev/net/tun', '/dev/fuse'];
    assert.equal((await inside(...modes)).stdout, '666 /dev/net/tun\n666 /dev/fuse\n');
    await home.json(['vm', 'start', 'web', '--wait', 'system']);
    assert.equal((await inside(...modes)).stdout, '666 /dev/net/tun\n666 /dev/fuse\n');
    const opened = 'exec 3<>/dev/fuse && exec 4<>/dev/net/tun && echo open';
    const asUser = await home.run(['vm', 'exec', '--user', '1234', 'web', '--', 'bash', '-c', opened]);
    assert.equal(asUser.stdout, 'open\n', asUser.stderr);
  });

  await t.test('an ordinary user has a session, with a place for sockets and services of its own', async () => {
    assert.equal((await inside('useradd', '--create-home', 'dev')).code, 0);
    const script = 'echo $XDG_RUNTIME_DIR; stat -c "%U %a" $XDG_RUNTIME_DIR; systemd-run --user --scope --quiet id -un';
    const { stdout, stderr } = await home.run(['vm', 'exec', '--user', 'dev', 'web', '--', 'sh', '-ec', script]);
    assert.equal(stdout, '/run/user/1000\ndev 700\ndev\n', stderr);
  });

  await t.test('a terminal that the machine does not know is one that it does', async (t) => {
    const screen = await openScreen(t, home);
    await screen.type('TERM=xterm-ghostty banger vm exec web');
    await screen.until(/^root@web:~#/m);
    await screen.type('echo term: $TERM; tput -T $TERM cols >/dev/null && echo known');
    await screen.until(/^term: xterm-256color\s*\nknown$/m);
    await screen.type('exit');
  });

  await t.test('a server on ::1 is reached like any other', async () => {
    await home.run(['vm', 'exec', '--detach', 'web', '--', 'perl', '-e', SERVER]);
    await home.untilOutput(['vm', 'ports', 'web'], ({ stdout }) => stdout.includes('5173'));
    const { stdout } = await home.run(['vm', 'proxy', 'web', '5173']);
    assert.equal(stdout, 'hello from ::1\n');
  });

  await t.test('after its hypervisor was stopped for a while it has the time again', async () => {
    const { state } = await home.json<Vm>(['vm', 'show', 'web']);
    const pid = state.is === 'running' ? state.pid : 0;
    process.kill(pid, 'SIGSTOP');
    await delay(3000); // the while that it is stopped for
    process.kill(pid, 'SIGCONT');
    const isRight = ({ stdout }: { stdout: string }) => Math.abs(Number(stdout) - Date.now() / 1000) < 5;
    await home.untilOutput(['vm', 'exec', 'web', '--', 'date', '+%s'], isRight);
  });
});
