/** Story: what programs and people take for granted of a computer is so in a machine, and it reaches the world, not its host. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Vm } from '@banger/contract/api/vms.ts';
import { findByArgument, killProcess } from '../../packages/daemon/src/platform/processes.ts';
import { createHome } from '../support/banger-home.ts';
import { findPackageSource } from '../support/package-source.ts';
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

  await t.test("the kernel's own filesystems are where programs look for them", async () => {
    const places = ['/dev/hugepages', '/dev/mqueue', '/sys/kernel/debug', '/sys/kernel/tracing'];
    const { stdout } = await inside('stat', '-f', '-c', '%T', ...places);
    assert.equal(stdout, 'hugetlbfs\nmqueue\ndebugfs\ntracefs\n');
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

  await t.test('names resolve and TCP goes out: a release of Debian comes in', async () => {
    const { uri, release } = findPackageSource();
    const fetching = ['curl', '-sSf', '-m', '60', `${uri.href.replace(/\/?$/, '/')}dists/${release}/InRelease`];
    const { code, stdout, stderr } = await home.run(['vm', 'exec', 'web', '--', ...fetching]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Origin: Debian$/m);
  });

  await t.test("what listens on the host's loopback cannot be reached from the guest", async () => {
    const token = randomBytes(16).toString('hex');
    const server = createServer((_request, response) => response.end(token));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const onHost = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    assert.equal(onHost, token, 'the server itself answers');

    const ownAddresses = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .map(({ address }) => address)
      .filter(isIPv4);
    const addresses = ['10.0.2.2', '10.0.2.3', '127.0.0.1', '0.0.0.0', ...ownAddresses];
    const script = `for address; do { curl -s -m 5 "http://$address:${port}/" || echo "$? $address"; } & done; wait`;
    const { stdout } = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script, 'sh', ...addresses]);
    assert.doesNotMatch(stdout, new RegExp(token), "the host's loopback answers");
    const refused = stdout.trim().split('\n');
    assert.deepEqual(refused.map((line) => line.split(' ')[1]).sort(), addresses.toSorted(), stdout);
  });

  await t.test('nobody answers a guest where clouds have their metadata, whatever routes its root makes', async () => {
    // By a route of its own, and from an address that the host never gave it
    const script = `
      ip address add 169.254.1.1/32 dev eth0; ip route replace 169.254.169.254/32 via 10.0.2.2 dev eth0 onlink
      for from in 10.0.2.15 169.254.1.1; do
        { curl -s -m 5 --interface "$from" -o /dev/null http://169.254.169.254/; echo "$?"; } &
      done
      wait`;
    const { stdout } = await home.run(['vm', 'exec', 'web', '--', 'bash', '-c', script]);
    assert.match(stdout, /^(7|28)\n(7|28)\n$/); // curl's: no connection, or no answer
  });

  await t.test('names have no addresses that the machine cannot reach, and the host has one', async () => {
    const script = 'getent ahosts host.banger; getent ahostsv6 host.banger; cat /etc/resolv.conf';
    const { stdout } = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script]);
    assert.match(stdout, /^10\.0\.2\.2 +STREAM host\.banger$/m);
    assert.doesNotMatch(stdout, /^[0-9a-f]*:[0-9a-f:]+ /m);
    assert.match(stdout, /^nameserver 10\.0\.2\.3$/m);
  });

  await t.test('a network that is killed is told', async () => {
    const { id } = await home.json<Vm>(['vm', 'show', 'web']);
    // The arguments of its passt, and of what is around it
    const [passt] = findByArgument(`${home.paths.runtime}/vms/${id}/passt.log`).reverse();
    assert.ok(passt);
    await killProcess(passt);
    const { state, fault } = await home.untilVm('web', (vm) => vm.fault !== null);
    assert.deepEqual([state.is, fault?.code], ['running', 'NETWORK_FAILED']);
    assert.deepEqual(findByArgument(`${home.paths.runtime}/vms/${id}/passt.log`), []);
  });
});
