/** Story: Debian 13 hosts with KVM. Each is a vm of banger's, in which root or an ordinary user runs this checkout. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { TimedCheck } from '@banger/contract/api/doctor.ts';
import type { DriverName, Session, StopResult, Vm } from '@banger/contract/api/vms.ts';
import { createDebian13Host, type Debian13Host } from '../support/debian-13-host.ts';
import { FIRECRACKER } from '../support/find-firecracker.ts';
import { MIA, ROOT } from '../support/host-machine.ts';
import { findPackageSource } from '../support/package-source.ts';

/** As "make host-test" wants it. Half an hour for each driver: "make test" takes less of it. */
const IS_WHOLE = process.env.BANGER_HOST_TEST === 'whole';
/** What the host has left when a guest begins to write more than that: Firecracker waits before the disk is full. */
const ROOM_MIB = { qemu: 64, firecracker: 320 };
const DATA_MIB = 96;
const MIB = 2 ** 20;
/** The control group of a process, and what it and those beside it may take */
const READ_BOUNDS = `
  group=$(sed -n s/^0:://p /proc/$0/cgroup); echo "$group"
  cat "/sys/fs/cgroup$group/memory.max" "/sys/fs/cgroup$group/pids.max"`;

// A host of its own for each, beside one another: one has a single processor, which it keeps busy.
test('banger on Debian 13 with KVM', { concurrency: true }, async (t) => {
  const stories = [ROOT, MIA].map((user) =>
    t.test(`as ${user.name} of Debian 13`, { concurrency: 1 }, async (story) => {
      const beganMs = performance.now();
      const host = await createDebian13Host(story, user);
      story.diagnostic(`the host is there after ${Math.round((performance.now() - beganMs) / 1000)} s`);
      assert.match(await host.asRoot(['cat', '/etc/os-release']), /^VERSION_ID="13"$/m);
      const before = await whatTheHostIs(host);
      await useBanger(story, host);
      await story.test('the host is as it was: mounts, services, journal, routes and addresses', async () => {
        assert.deepEqual(await whatTheHostIs(host), before);
      });
    }),
  );
  await Promise.all(stories);
});

async function useBanger(t: TestContext, host: Debian13Host): Promise<void> {
  const checks = async () => (await host.user.json<{ checks: TimedCheck[] }>(['doctor'])).checks;

  await t.test('the doctor finds all that is needed, and KVM not tried yet', async () => {
    const found = await checks();
    assert.deepEqual(
      found.filter(({ status }) => status === 'fail'),
      [],
    );
    const kvm = found.find(({ name }) => name === 'kvm');
    assert.match(kvm?.text ?? '', /no guest was tried/);
  });

  await t.test('on QEMU', { concurrency: 1 }, (story) => useDriver(story, host, 'qemu'));

  await t.test('a guest that was tried has proved KVM', async () => {
    assert.equal((await checks()).find(({ name }) => name === 'kvm')?.status, 'pass');
  });

  const skip = FIRECRACKER === null && 'there is no Firecracker';
  await t.test('on Firecracker', { concurrency: 1, skip }, (story) => useDriver(story, host, 'firecracker'));

  await t.test('nothing is left', async () => {
    const { user } = host;
    await user.json(['daemon', 'stop']);
    const folders = [`${user.paths.data}/vms`, `${user.paths.runtime}/vms`];
    assert.equal(await host.asRoot(['find', ...folders, '-mindepth', '1']), '');
    assert.equal(await host.asRoot(['sh', '-c', `pgrep -u ${user.name} -a -f '[t]est-data/' || true`]), '');
  });
}

async function useDriver(t: TestContext, host: Debian13Host, driver: DriverName): Promise<void> {
  const { user } = host;

  await t.test('the first command boots it, with KVM, a kernel of its own and a network', async () => {
    const server = findPackageSource().uri.hostname;
    const script = `uname -r; echo kept >/root/file; getent hosts ${server} && echo resolved; exit 7`;
    const size = ['--cpus', '1', '--memory', '384M'];
    const run = ['vm', 'run', '--name', 'web', '--driver', driver, ...size, '--', 'sh', '-c', script];
    const { code, stdout, stderr } = await user.banger(run);
    assert.equal(code, 7, stderr);
    assert.doesNotMatch(stdout, /deb13/, 'a kernel of its own');
    assert.match(stdout, /^resolved$/m, 'and a network');
    const { state } = await showVm(host, 'web');
    assert.equal(state.is, 'running');
    if (state.is === 'running') assert.deepEqual([state.driver, state.accel], [driver, 'kvm']);
  });

  await t.test('what its hypervisor takes is bounded by systemd, or the doctor says what brings that', async () => {
    const { state } = await showVm(host, 'web');
    assert.ok(state.is === 'running');
    const lines = (await host.asRoot(['sh', '-c', READ_BOUNDS, String(state.pid)])).trim().split('\n');
    if (user.name === 'root') {
      const [group = '', ...bounds] = lines;
      assert.match(group, /^\/system\.slice\/run-[^/]+\.scope$/);
      assert.deepEqual(bounds.map(Number), [384 * 1.125 * MIB + 2048 * MIB, 1 + 256]);
    } else {
      const { checks } = await user.json<{ checks: TimedCheck[] }>(['doctor']);
      assert.match(checks.find(({ name }) => name === 'bounds')?.fix ?? '', /enable-linger/);
    }
  });

  if (IS_WHOLE) await useForADay(t, host, driver);

  await t.test('it stops by shutting down, and starts again with its disk', async () => {
    const { results } = await user.json<{ results: { result: StopResult }[] }>(['vm', 'stop', 'web']);
    assert.equal(results[0]?.result.how, 'shut-down');
    await user.json(['vm', 'start', 'web']);
    assert.equal(await user.shell(inGuest('cat /root/file')), 'kept\n');
  });

  await t.test('a daemon that is killed finds it again', async () => {
    const before = await showVm(host, 'web');
    const { pid } = await user.json<{ pid: number }>(['daemon', 'status']);
    await host.asRoot(['kill', '-KILL', String(pid)]);
    assert.deepEqual((await showVm(host, 'web')).state, before.state);
    assert.equal(await user.shell(inGuest('hostname')), 'web\n');
  });

  await t.test('a kernel panic of the guest is told', async () => {
    await user.banger(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo c >/proc/sysrq-trigger']);
    const { fault } = await user.untilVm('web', ({ state }) => state.is === 'stopped');
    assert.match(fault?.message ?? '', /panic/i);
    await user.json(['vm', 'rm', 'web']);
  });
}

async function useForADay(t: TestContext, host: Debian13Host, driver: DriverName): Promise<void> {
  const { user } = host;

  await t.test('8 MB go in and come back, by a command and by vm cp', async () => {
    const script = `set -e
      head -c 8000000 /dev/urandom >bytes
      ${inGuest('cat')} <bytes | cmp - bytes
      banger vm cp bytes web:/root/bytes && banger vm cp web:/root/bytes back && cmp back bytes
      rm bytes back`;
    assert.equal(await user.shell(script), '');
  });

  await t.test('twenty commands, one after the other', async () => {
    const script = `for n in $(seq 20); do ${inGuest('echo $0')} || exit; done | sort | uniq -c`;
    assert.equal((await user.shell(script)).trim(), '20 sh');
  });

  await t.test('a repository goes in, is worked on, and comes back as a branch', async () => {
    const git = 'git -C repo -c user.name=mia -c user.email=mia@example.org';
    const script = `set -e
      git init -q repo && echo one >repo/file && ${git} add file && ${git} commit -q -m begun
      banger vm workspace import web repo >/dev/null
      banger vm exec web --cwd /root/repo -- sh -c "echo two >>file && git commit -q -a -m inside"
      banger vm workspace export web --branch from-web >/dev/null
      ${git} log --format=%s from-web && ${git} show from-web:file
      rm -rf repo`;
    assert.equal(await user.shell(script), 'inside\nbegun\none\ntwo\n');
  });

  await t.test("what listens on the host's loopback is not reached, by whatever address", async () => {
    const token = randomUUID();
    const addresses = (await host.asRoot(['hostname', '-I'])).trim().split(' ');
    const tries = ['10.0.2.2', '10.0.2.3', '127.0.0.1', ...addresses.filter((address) => !address.includes(':'))].map(
      (address) => `timeout 10 bash -c "head -n 1 </dev/tcp/${address}/7777" 2>&1`,
    );
    const script = `node -e 'require("node:net").createServer((s) => s.end("${token}\\n")).listen(7777)' & server=$!
      until bash -c 'head -n 1 </dev/tcp/127.0.0.1/7777' 2>/dev/null; do :; done
      ${inGuest(`${tries.join('; ')}; true`)}; kill $server`;
    const [outside, ...inside] = (await user.shell(script)).split('\n');
    assert.equal(outside, token);
    assert.doesNotMatch(inside.join('\n'), new RegExp(token));
  });

  await t.test('its hypervisor sees what it is made of, and nothing of yours', async () => {
    const key = `${user.home}/.ssh/id_ed25519`;
    await user.shell('mkdir -p ~/.ssh && echo canary >~/.ssh/id_ed25519');
    await user.json(['vm', 'create', '--name', 'other', '--disk-size', '1G']);
    const [web, other] = [await showVm(host, 'web'), await showVm(host, 'other')];
    const diskOf = ({ id }: Vm) => `${user.paths.data}/vms/${id}/disk.ext4`;
    const run = `${user.paths.runtime}/vms/${web.id}`;
    const inside = {
      hidden: [
        key,
        diskOf(other),
        `${user.paths.runtime}/daemon.sock`,
        `${user.paths.state}/state.sqlite`,
        `${run}/machine.json`,
      ],
      readable: ['/usr', `${run}/network.sock`],
      writable: [diskOf(web), `${run}/vmm`],
      hasFilter: true,
      beside: driver === 'firecracker' ? ['banger-link'] : [], // what carries its frames
    };
    await host.assertShutIn(web.state.is === 'running' ? web.state.pid : 0, inside);
    await user.json(['vm', 'rm', 'other']);
  });

  await t.test("the host's disk becomes full while the guest writes: it waits, and nothing is lost", async () => {
    const write = `sleep 5; yes banger | head -c ${DATA_MIB}M >/root/data && sync && echo written`;
    await user.banger(['vm', 'exec', '--detach', 'web', '--', 'sh', '-c', write]);
    const fill = `df --output=avail -k / | tail -n 1 | { read free; fallocate -l $((free - $0 * 1024))K /root/fill; }`;
    await host.asRoot(['sh', '-c', fill, String(ROOM_MIB[driver])]);
    const { state, fault } = await user.untilVm('web', (vm) => vm.fault !== null || vm.state.is !== 'running');
    assert.deepEqual([state.is, fault?.code], ['running', 'DISK_FULL']);
    await host.asRoot(['rm', '/root/fill']);
    await user.untilVm('web', (vm) => vm.fault === null);
    const { sessions } = await user.json<{ sessions: Session[] }>(['vm', 'sessions', 'web']);
    const writer = sessions.find(({ argv }) => argv.at(-1) === write);
    assert.equal(await user.shell(`banger vm attach web ${writer?.id}`), 'written\n');
    const sum = await user.shell(inGuest('md5sum </root/data'));
    assert.equal(sum, await user.shell(`yes banger | head -c ${DATA_MIB}M | md5sum`));
  });
}

function showVm({ user }: Debian13Host, name: string): Promise<Vm> {
  return user.json<Vm>(['vm', 'show', name]);
}

function inGuest(script: string): string {
  return `banger vm exec web -- sh -c '${script}'`;
}

const READ_HOST = `
  systemctl is-system-running --wait
  systemctl list-units --failed --no-legend
  ls -d /proc/self
  cut -d' ' -f3- /proc/1/mountinfo | sort
  ip -brief address; ip route show table all; ip rule
  echo "$0" | systemd-cat -t host-test && journalctl --sync && journalctl -t host-test -o cat -n 1 | grep -cxF "$0"`;

async function whatTheHostIs(host: Debian13Host): Promise<string[]> {
  const lines = (await host.asRoot(['sh', '-c', READ_HOST, randomUUID()])).split('\n');
  // systemd mounts these when somebody looks, or while a unit runs.
  return lines.filter((line) => !/ \/(run\/(user|credentials)|proc\/sys\/fs\/binfmt_misc)/.test(line));
}
