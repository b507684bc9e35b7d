/**
 * Story: a Debian 13 that has only the package, on which root installs banger for the whole system. Its machines have
 * addresses and names; they live through restarts of what serves them, an upgrade and a reboot; and the uninstall leaves the
 * host as it was.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Installation } from '@banger/contract/api/installation.ts';
import type { DriverName, Vm } from '@banger/contract/api/vms.ts';
import { FIRECRACKER } from '../../support/find-firecracker.ts';
import { createSystemHost, type SystemHost, serveWord } from '../../support/system-host.ts';

const SMALL = ['--cpus', '1', '--memory', '384M'];
const PORT = 8000;
/** Columns come apart by as many blanks as there is room for. */
const WORDS = "awk '{ print $1, $2 }'";
const SHOW_WHAT_IS_THERE = `
  find / -xdev \\( -path /proc -o -path /sys -o -path /home -o -path /root -o -path /tmp -o -path /media -o -path /var/log \\
    -o -path /var/cache -o -path /var/lib/systemd -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/tmp \\) -prune \\
    -o ! -type d -printf '%y %m %U:%G %p %l %s\\n' -o -type d -printf '%y %m %U:%G %p\\n' | LC_ALL=C sort
  find /run -path /run/user -prune -o -name '*banger*' -print
  getent passwd; getent group; ls /var/lib/systemd/linger
  systemctl list-unit-files --no-legend | awk '$2 != "transient" { print $1, $2 }'
  ip -brief link; ip -brief address; ip route show table all; ip rule; nft list ruleset
  ss --no-header --numeric --listening --tcp --udp --unix | awk '{ print $1, $5 }' | sort`;

test('banger is installed for the whole of a bare Debian 13', async (t) => {
  const host = await createSystemHost(t);
  const bare = await whatIsThere(host);
  let packaged: string[] = [];

  await t.test('the package is enough for a machine: no checkout, Node or cargo is there', async () => {
    assert.equal(await host.rootShell('command -v node npm cargo rustc git-lfs || true'), '');
    await host.installPackage('this');
    const { code, stdout, stderr } = await host.banger([
      'vm',
      'run',
      '--rm',
      ...SMALL,
      '--',
      'sh',
      '-c',
      'uname -n; exit 7',
    ]);
    assert.equal(code, 7, stderr);
    assert.match(stdout, /^[a-z]+-[a-z]+\n$/);
    await host.json(['daemon', 'stop']);
    packaged = await whatIsThere(host);
  });

  await t.test("root installs it for mia, whose commands then use the system's daemon", async () => {
    await host.asRoot(['banger', 'system', 'install', '--owner', 'mia']);
    const { installed, units, daemonPid } = await statusOf(host);
    assert.deepEqual([installed?.owner.name, installed?.isComplete, installed?.changed], ['mia', true, []]);
    assert.deepEqual([...new Set(units.map(({ active }) => active))], ['active']);
    assert.equal((await host.json<{ pid: number }>(['daemon', 'status'])).pid, daemonPid);
  });

  await t.test(
    'systemd finds the helper shut in (below 2), and the daemon as far as Node and newuidmap let it',
    async () => {
      for (const [unit, most] of [
        ['banger-root.service', 2],
        ['bangerd.service', 7],
      ] as const) {
        const said = await host.rootShell('systemd-analyze security --no-pager "$1" | tail -n 1', unit);
        const [, exposure = 'NaN'] = /exposure level for \S+: (\d+\.\d)/.exec(said) ?? [];
        assert.ok(Number(exposure) < most, said);
      }
    },
  );

  const drivers: DriverName[] = FIRECRACKER === null ? ['qemu'] : ['qemu', 'firecracker'];
  for (const driver of drivers) {
    await t.test(`a machine on ${driver} has an address and a name`, { concurrency: 1 }, (story) =>
      useMachine(story, host, driver),
    );
  }

  await host.json(['vm', 'create', '--name', 'web', '--autostart', ...SMALL, '--start']);
  const before = await host.json(['vm', 'show', 'web']);
  const processOf = ({ state }: Vm) => (state.is === 'running' ? state.pid : null);

  await t.test('a browser opens a page of it by its name', async () => {
    await host.json(['vm', 'exec', '--detach', 'web', '--', ...serveWord(PORT, 'hello')]);
    await host.untilShell(`curl --silent --max-time 20 http://web.vm:${PORT}/`, 'hello');
    const open = 'timeout 300 chromium --headless --user-data-dir="$(mktemp -d)" --dump-dom';
    assert.match(await host.shell(`${open} http://web.vm:${PORT}/`), /<body>.*hello.*<\/body>/s);
  });

  await t.test('it lives through restarts of daemon, helper and resolved, and so does its name', async () => {
    for (const restart of [
      'systemctl restart bangerd.service',
      'systemctl restart systemd-resolved.service',
      'systemctl stop banger-root.service',
      'banger system restart',
    ]) {
      await host.rootShell(restart);
      await host.untilShell('getent hosts web.vm | cut -d" " -f1', `${before.address}\n`);
      assert.equal(processOf(await host.json(['vm', 'show', 'web'])), processOf(before), restart);
    }
    const said = await host.rootShell('journalctl --no-pager --boot --unit=bangerd.service');
    assert.doesNotMatch(said, /left-over process/, 'nothing of a machine is in the group of the daemon');
  });

  await t.test('an upgrade of the package leaves it running, under the new daemon', async () => {
    const { daemonPid } = await statusOf(host);
    await host.installPackage('next');
    const after = await statusOf(host);
    assert.notEqual(after.daemonPid, daemonPid);
    assert.deepEqual(after.installed?.changed, []);
    assert.equal(processOf(await host.json(['vm', 'show', 'web'])), processOf(before));
    await host.untilShell('getent hosts web.vm | cut -d" " -f1', `${before.address}\n`);
  });

  await t.test('after a reboot of the host it is there again, before anybody logs in', async () => {
    await host.json(['vm', 'create', '--name', 'quiet', ...SMALL]);
    await host.reboot();
    await host.untilShell('getent hosts web.vm | cut -d" " -f1', `${before.address}\n`);
    const { state } = await host.json(['vm', 'show', 'web']);
    assert.equal(state.is, 'running');
    assert.equal((await host.json(['vm', 'show', 'quiet'])).state.is, 'stopped');
    await host.logIn();
  });

  await t.test('an uninstall takes away all but the machines', async () => {
    await host.json(['vm', 'stop', 'web']);
    await host.asRoot(['banger', 'system', 'uninstall']);
    assert.deepEqual(changes(packaged, await whatIsThere(host)), []);
    const { vms } = await host.json<{ vms: Vm[] }>(['vm', 'ls']);
    assert.deepEqual(vms.map(({ name }) => name).sort(), ['quiet', 'web']);
    await host.json(['vm', 'rm', 'web', 'quiet']);
    await host.json(['daemon', 'stop']);
  });

  await t.test('a purge of the package leaves nothing of it', async () => {
    await host.asRoot(['apt-get', 'purge', '--yes', 'banger']);
    assert.deepEqual(changes(bare, await whatIsThere(host)), []);
  });
});

async function useMachine(t: TestContext, host: SystemHost, driver: DriverName): Promise<void> {
  const web = await host.json(['vm', 'create', '--name', 'web', '--driver', driver, ...SMALL, '--start']);
  assert.ok(web.state.is === 'running');
  assert.deepEqual([web.state.driver, web.state.accel, web.network], [driver, 'kvm', 'auto']);

  await t.test('this host resolves it both ways, through resolved, and no other name below vm', async () => {
    assert.equal(await host.shell(`getent hosts web.vm | ${WORDS}`), `${web.address} web.vm\n`);
    assert.equal(await host.shell(`getent hosts ${web.address} | ${WORDS}`), `${web.address} web.vm\n`);
    assert.match(
      await host.shell('resolvectl query --type=AAAA web.vm 2>&1 || true'),
      /not have any RR of the requested type/,
    );
    assert.equal(await host.shell('getent hosts nobody.vm || echo none'), 'none\n');
    assert.match(await host.shell('resolvectl query --type=A web.vm'), /-- link: bgr-names/);
  });

  await t.test('a page of it is fetched by its name, and ssh enters it by its known key', async () => {
    await host.json(['vm', 'exec', '--detach', 'web', '--', ...serveWord(PORT, 'hello')]);
    await host.untilShell(`curl --silent --max-time 20 http://web.vm:${PORT}/`, 'hello');
    await host.json(['ssh-config', '--install']);
    assert.equal(await host.shell('ssh -o BatchMode=yes web.vm hostname'), 'web\n');
  });

  await t.test('it reaches the internet, and neither a service of the host nor a neighbour', async () => {
    const neighbour = await host.json(['vm', 'create', '--name', 'db', ...SMALL, '--start']);
    await host.json(['vm', 'exec', '--detach', 'db', '--', ...serveWord(PORT, 'private')]);
    await host.untilShell(`curl --silent --max-time 20 http://db.vm:${PORT}/`, 'private');
    await host.rootShell('systemd-run --quiet --unit=service-of-the-host -- "$@"', ...serveWord(PORT, 'of the host'));
    const own = (
      await host.rootShell("ip -4 -oneline address show scope global | awk '{ print $4 }' | cut -d/ -f1")
    ).trim();
    const addresses = own.split('\n');
    assert.ok(addresses.length > 0);
    for (const address of addresses) {
      await host.untilShell(`curl --silent --max-time 20 http://${address}:${PORT}/`, 'of the host');
    }
    const reach = [...addresses, '127.0.0.1', neighbour.address].map(
      (address) => `timeout 10 curl --silent http://${address}:${PORT}/ | grep -E 'private|of the host'`,
    );
    const inside = await host
      .json<unknown>(['vm', 'show', 'web'])
      .then(() =>
        host.banger(['vm', 'exec', 'web', '--', 'sh', '-c', `${reach.join('; ')}; getent hosts db.vm; echo done`]),
      );
    assert.equal(inside.stdout, 'done\n', inside.stderr);
    await host.asRoot(['systemctl', 'stop', 'service-of-the-host.service']);
  });

  await host.json(['vm', 'rm', '--force', 'web', 'db']);
  assert.equal(await host.shell('getent hosts web.vm || echo none'), 'none\n');
}

async function statusOf(host: SystemHost): Promise<Installation> {
  return JSON.parse(await host.asRoot(['banger', 'system', 'status', '--json'])) as Installation;
}

async function whatIsThere(host: SystemHost): Promise<string[]> {
  return (await host.rootShell(SHOW_WHAT_IS_THERE)).split('\n');
}

/** Lines that are gone and lines that are new */
function changes(before: string[], after: string[]): string[] {
  const [old, now] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}
