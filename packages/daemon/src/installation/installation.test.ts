import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Task } from '../platform/task.ts';
import { ROOT_SOCKET } from '../settings.ts';
import type { InstallationParts } from './installation.ts';
import { BUILT, createHost } from './testing/installation-host.ts';

const METADATA = '/etc/banger/install.json';
const TASK = Task.background();
const UNITS = ['banger-root.socket', 'banger-root.service', 'bangerd-names.socket', 'bangerd.service'];

test('what is installed names its owner, and root alone can write it', async (t) => {
  const host = createHost(t);
  const { installed } = await host.installation().install(TASK, { owner: 'mia' });
  assert.deepEqual(
    [installed?.owner, installed?.isComplete, installed?.changed],
    [{ name: 'mia', uid: 1000 }, true, []],
  );
  assert.equal(JSON.parse(host.read(METADATA)).owner.uid, 1000);
  for (const name of UNITS) assert.doesNotMatch(host.read(`/etc/systemd/system/${name}`), /@[a-z]+@/);
  assert.match(host.read('/etc/systemd/system/banger-root.socket'), /^SocketUser=mia$/m);
  assert.match(host.read('/etc/systemd/system/bangerd.service'), /^After=user@1000\.service /m);
  const helper = /^ExecStart=(.*)$/m.exec(host.read('/etc/systemd/system/banger-root.service'))?.[1] ?? '';
  assert.equal(host.read(helper), 'helper', 'a copy: that of the checkout is its owner’s');
  for (const path of [METADATA, helper]) assert.equal(statSync(host.at(path)).mode & 0o022, 0, path);
});

test('the daemon finds the helper where systemd listens for it, in no folder that somebody else may have closed', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  const at = /^ListenStream=(.*)$/m.exec(host.read('/etc/systemd/system/banger-root.socket'))?.[1] ?? '';
  assert.deepEqual([at, dirname(at)], [ROOT_SOCKET, '/run']);
});

for (const fails of [false, true]) {
  test(`sockets listen where ${fails ? 'the banger that stays' : 'a newer banger'} says, after an upgrade that ${fails ? 'fails' : 'moves them'}`, async (t) => {
    const host = createHost(t);
    await host.installation().install(TASK, { owner: 'mia' });
    const sockets = UNITS.filter((name) => name.endsWith('.socket'));
    for (const name of sockets) {
      const path = `packaging/systemd/${name}`;
      const text = readFileSync(join(host.root, path), 'utf8');
      host.write(path, text.replaceAll('/run/banger-', '/run/newer-').replaceAll(':53', ':54'), host.root);
    }
    if (fails) host.faultOfDaemon = 'it was written for another Debian';
    const upgraded = host.installation().install(TASK, { owner: 'mia' });
    await (fails ? assert.rejects(upgraded, { code: 'INSTALL_FAILED' }) : upgraded);
    for (const name of sockets) {
      const said = host.read(`/etc/systemd/system/${name}`).match(/^Listen.*$/gm);
      assert.deepEqual(host.listening.get(name), said, name);
      assert.equal(/newer|:54/.test(String(said)), !fails);
    }
  });
}

test('the host passes packets on from an install on, unless a file of the host says otherwise, and others may count on it', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  assert.match(host.read('/etc/sysctl.d/60-banger.conf'), /^net\.ipv4\.ip_forward = 1$/m);
  assert.equal(host.isForwarding(), true);
  await host.installation().uninstall(TASK, { purge: false });
  assert.equal(existsSync(host.at('/etc/sysctl.d/60-banger.conf')), false);
  assert.equal(host.isForwarding(), true);

  host.hasOwnForwarding = true;
  host.write('/proc/sys/net/ipv4/ip_forward', '0\n');
  await host.installation().install(TASK, { owner: 'mia' });
  assert.equal(host.isForwarding(), false);
});

test('a daemon that a command started makes way for the service, which is then begun', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  const gone = host.calls.findIndex((call) => call.startsWith('runuser -u mia') && call.includes('daemon stop'));
  assert.ok(gone >= 0 && gone < host.calls.indexOf('systemctl restart bangerd.service'), host.calls.join('\n'));
});

test('an install over itself changes nothing, and one of a newer banger takes the place of the older', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  const before = host.tree();
  await host.installation().install(TASK, { owner: null });
  assert.deepEqual(host.tree(), before);

  host.change(METADATA, (text) =>
    text.replace('"files": [', `"files": [{"path": "/etc/old", "digest": "sha256:${'0'.repeat(64)}"},`),
  );
  host.write('/etc/old', 'of an older banger');
  host.write(BUILT, 'newer helper', host.root);
  await host.installation().install(TASK, { owner: 'mia' });
  assert.equal(existsSync(host.at('/etc/old')), false);
  assert.equal(host.read('/opt/banger/banger-root'), 'newer helper');
  assert.equal((await host.installation().status(TASK)).installed?.isComplete, true);
});

for (const what of ['nothing', 'an older banger']) {
  for (const how of ['fails', 'is interrupted'] as const) {
    test(`whichever step of an install over ${what} ${how}, all is as it was`, async (t) => {
      let failures = 0;
      for (let step = 1; step <= 16; step++) {
        const host = createHost(t);
        if (what !== 'nothing') {
          await host.installation().install(TASK, { owner: 'mia' });
          host.write(BUILT, 'newer helper', host.root);
        }
        const before = host.state();
        const { task, parts } = faultAt(step, how);
        const outcome = await host
          .installation(parts)
          .install(task, { owner: 'mia' })
          .catch((thrown) => thrown);
        if (outcome.code === undefined) continue; // a question, which may stay without an answer, or there is no such step
        assert.equal(outcome.code, how === 'fails' ? 'INSTALL_FAILED' : 'CANCELLED');
        assert.match(outcome.hint, what === 'nothing' ? /Nothing of it is left/ : /What was there before is back/);
        failures += 1;
        assert.deepEqual(host.state(), before, `step ${step}: ${host.calls.join('\n')}`);
        assert.equal(host.isForwarding(), what !== 'nothing');
      }
      assert.ok(failures >= 7, `${failures} steps`);
    });
  }
}

/** With an interrupt the step itself still works, as systemd goes on with what it was told. */
function faultAt(step: number, how: 'fails' | 'is interrupted') {
  if (how === 'fails') return { task: TASK, parts: { failAt: step } };
  const stopping = new AbortController();
  return {
    task: TASK.withSignal(stopping.signal),
    parts: { afterCall: (count: number) => count === step && stopping.abort() },
  };
}

test('what cannot be undone either is known, and taken away once the host is mended', async (t) => {
  for (let step = 2; step <= 10; step++) {
    const host = createHost(t);
    const before = host.state();
    const broken = host.installation({ failFrom: step });
    await assert.rejects(broken.install(TASK, { owner: 'mia' }), { code: 'INSTALL_FAILED' });
    await host.installation().uninstall(TASK, { purge: false });
    assert.deepEqual(host.state(), before, `step ${step}`);
  }
});

test('after a power cut at any step an install finishes, and an uninstall leaves nothing', async (t) => {
  const host = createHost(t);
  const empty = host.tree();
  const cuts: string[] = [];
  host.onCall = () => cuts.push(host.keep());
  await host.installation().install(TASK, { owner: 'mia' });
  await host.installation().uninstall(TASK, { purge: false });
  host.onCall = () => {};
  assert.ok(cuts.length > 12);
  for (const cut of cuts) {
    host.putBack(cut);
    assert.equal((await host.installation().install(TASK, { owner: 'mia' })).installed?.isComplete, true);
    host.putBack(cut);
    await host.installation().uninstall(TASK, { purge: false });
    assert.deepEqual(host.tree(), empty);
  }
});

test('an uninstall leaves no file, service or lingering, and may be repeated', async (t) => {
  const host = createHost(t);
  const before = host.tree();
  await host.installation().install(TASK, { owner: 'mia' });
  await host.installation().uninstall(TASK, { purge: false });
  assert.deepEqual([host.tree(), [...host.enabled], host.isLingering()], [before, [], false]);
  assert.ok(!host.calls.some((call) => /vm rm|rm -rf/.test(call)), 'machines are left alone');
  assert.equal((await host.installation().uninstall(TASK, { purge: false })).installed, null);
});

test('lingering that was there before the install stays', async (t) => {
  const host = createHost(t);
  host.write('/var/lib/systemd/linger/mia', '');
  await host.installation().install(TASK, { owner: 'mia' });
  await host.installation().uninstall(TASK, { purge: false });
  assert.equal(host.isLingering(), true);
});

test('a host without logind is told what it lacks, and is left as it was', async (t) => {
  const host = createHost(t);
  const before = host.tree();
  host.hasBus = false;
  await assert.rejects(host.installation().install(TASK, { owner: 'mia' }), {
    code: 'INSTALL_REFUSED',
    hint: /apt-get install dbus libpam-systemd/,
  });
  assert.deepEqual([host.tree(), [...host.enabled]], [before, []]);
});

test('nothing is uninstalled while a machine runs, or one holds a network', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  host.vms = [{ name: 'web', state: { is: 'running' } }];
  await assert.rejects(host.installation().uninstall(TASK, { purge: false }), {
    code: 'INSTALL_REFUSED',
    message: /web/,
  });
  host.vms = [];
  const holding = host.installation({ withdrawNetwork: async () => ['0123456789ab'] });
  await assert.rejects(holding.uninstall(TASK, { purge: false }), { code: 'INSTALL_FAILED', message: /0123456789ab/ });
  assert.ok(host.read(METADATA));
  await host.installation().uninstall(TASK, { purge: false });
});

test('a purge removes the machines by the command of their owner, before anything else goes', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  host.vms = [{ name: 'web', state: { is: 'running' } }];
  host.calls.length = 0;
  await host.installation().uninstall(TASK, { purge: true });
  const at = (words: string) => host.calls.findIndex((call) => call.includes(words));
  assert.ok(at('vm rm --force -- web') >= 0 && at('vm rm --force -- web') < at('disable --now bangerd.service'));
  const removal = host.calls.find((call) => call.includes(' rm -rf '));
  assert.match(removal ?? '', /^runuser -u mia -- .* -- \/home\/mia\/\.local\/state\/banger /);
});

test('a restart brings the service in the place of a daemon that a command started', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  host.calls.length = 0;
  await host.installation().restart(TASK);
  const stopped = host.calls.findIndex((call) => call.includes('daemon stop'));
  assert.ok(stopped > 0 && stopped < host.calls.indexOf('systemctl restart bangerd.service'));
});

test('a file that somebody changed is told', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  host.write('/etc/systemd/system/bangerd.service', 'other');
  const { installed } = await host.installation().status(TASK);
  assert.deepEqual(installed?.changed, ['/etc/systemd/system/bangerd.service']);
});

test('what cannot be is refused before anything is touched', async (t) => {
  const host = createHost(t);
  const untouched = host.tree();
  const refused = async (owner: string | null, fault: object, parts: Partial<InstallationParts> = {}) => {
    await assert.rejects(host.installation(parts).install(TASK, { owner }), fault);
  };
  await refused('mia', { code: 'ROOT_NEEDED' }, { isRoot: false });
  for (const owner of [null, 'root', 'nobody-such', 'odd']) await refused(owner, { code: 'INSTALL_REFUSED' });
  await refused('mia', { code: 'INSTALL_REFUSED', message: /\/with space/ }, { root: host.rootWithSpace() });
  assert.deepEqual(host.tree(), untouched);
  rmSync(host.at('/run/systemd'), { recursive: true });
  await refused('mia', { code: 'INSTALL_REFUSED', message: /systemd/ });
});

test('a host has one owner, and a state that is newer keeps an older banger out', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  await assert.rejects(host.installation().install(TASK, { owner: 'zoe' }), {
    code: 'INSTALL_REFUSED',
    message: /mia/,
  });
  await assert.rejects(host.installation({ stateVersion: 1 }).install(TASK, { owner: 'mia' }), {
    code: 'STATE_TOO_NEW',
  });
});
