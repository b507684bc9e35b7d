import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createInstallation, type InstallationParts } from './installation.ts';

const CHECKOUT = join(import.meta.dirname, '../../../..');
const BUILT = 'host/root/target/x86_64-unknown-linux-gnu/release/banger-root';
const MIA = { name: 'mia', uid: 1000, home: '/home/mia' };
const ZOE = { name: 'zoe', uid: 1001, home: '/home/zoe' };
const METADATA = '/etc/banger/install.json';
const UNITS = ['banger-root.socket', 'banger-root.service', 'bangerd-names.socket', 'bangerd.service'];

test('what is installed names its owner, and root alone can write it', async (t) => {
  const host = createHost(t);
  const { installed } = await host.installation().install({ owner: 'mia' });
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

test('a daemon that a command started makes way for the service, which is then begun', async (t) => {
  const host = createHost(t);
  await host.installation().install({ owner: 'mia' });
  const gone = host.calls.findIndex((call) => call.startsWith('runuser -u mia') && call.includes('daemon stop'));
  assert.ok(gone >= 0 && gone < host.calls.indexOf('systemctl restart bangerd.service'), host.calls.join('\n'));
});

test('an install over itself changes nothing, and one of a newer banger takes the place of the older', async (t) => {
  const host = createHost(t);
  await host.installation().install({ owner: 'mia' });
  const before = host.tree();
  await host.installation().install({ owner: null });
  assert.deepEqual(host.tree(), before);

  host.change(METADATA, (text) =>
    text.replace('"files": [', `"files": [{"path": "/etc/old", "digest": "sha256:${'0'.repeat(64)}"},`),
  );
  host.write('/etc/old', 'of an older banger');
  host.write(BUILT, 'newer helper', host.root);
  await host.installation().install({ owner: 'mia' });
  assert.equal(existsSync(host.at('/etc/old')), false);
  assert.equal(host.read('/opt/banger/banger-root'), 'newer helper');
  assert.equal((await host.installation().status()).installed?.isComplete, true);
});

for (const what of ['nothing', 'an older banger']) {
  test(`whichever step of an install over ${what} fails, all is as it was`, async (t) => {
    let failures = 0;
    for (let step = 1; step <= 16; step++) {
      const host = createHost(t);
      if (what !== 'nothing') {
        await host.installation().install({ owner: 'mia' });
        host.write(BUILT, 'newer helper', host.root);
      }
      const before = { files: host.tree(), enabled: [...host.enabled].sort(), isLingering: host.isLingering() };
      const outcome = await host
        .installation({ failAt: step })
        .install({ owner: 'mia' })
        .catch((thrown) => thrown);
      if (outcome.code === undefined) continue; // a question, which may stay without an answer
      assert.equal(outcome.code, 'INSTALL_FAILED');
      failures += 1;
      const after = { files: host.tree(), enabled: [...host.enabled].sort(), isLingering: host.isLingering() };
      assert.deepEqual(after, before, `step ${step}: ${host.calls.join('\n')}`);
    }
    assert.ok(failures >= 7, `${failures} steps`);
  });
}

test('after a power cut at any step an install finishes, and an uninstall leaves nothing', async (t) => {
  const host = createHost(t);
  const empty = host.tree();
  const cuts: string[] = [];
  host.onCall = () => cuts.push(host.keep());
  await host.installation().install({ owner: 'mia' });
  await host.installation().uninstall({ purge: false });
  host.onCall = () => {};
  assert.ok(cuts.length > 12);
  for (const cut of cuts) {
    host.putBack(cut);
    assert.equal((await host.installation().install({ owner: 'mia' })).installed?.isComplete, true);
    host.putBack(cut);
    await host.installation().uninstall({ purge: false });
    assert.deepEqual(host.tree(), empty);
  }
});

test('an uninstall leaves no file, service or lingering, and may be repeated', async (t) => {
  const host = createHost(t);
  const before = host.tree();
  await host.installation().install({ owner: 'mia' });
  await host.installation().uninstall({ purge: false });
  assert.deepEqual([host.tree(), [...host.enabled], host.isLingering()], [before, [], false]);
  assert.ok(!host.calls.some((call) => /vm rm|rm --recursive/.test(call)), 'machines are left alone');
  assert.equal((await host.installation().uninstall({ purge: false })).installed, null);
});

test('lingering that was there before the install stays', async (t) => {
  const host = createHost(t);
  host.write('/var/lib/systemd/linger/mia', '');
  await host.installation().install({ owner: 'mia' });
  await host.installation().uninstall({ purge: false });
  assert.equal(host.isLingering(), true);
});

test('a host without logind is told what it lacks, and is left as it was', async (t) => {
  const host = createHost(t);
  const before = host.tree();
  host.hasBus = false;
  await assert.rejects(host.installation().install({ owner: 'mia' }), {
    code: 'INSTALL_REFUSED',
    hint: /apt-get install dbus libpam-systemd/,
  });
  assert.deepEqual([host.tree(), [...host.enabled]], [before, []]);
});

test('nothing is uninstalled while a machine runs, or one holds a network', async (t) => {
  const host = createHost(t);
  await host.installation().install({ owner: 'mia' });
  host.vms = [{ name: 'web', state: { is: 'running' } }];
  await assert.rejects(host.installation().uninstall({ purge: false }), { code: 'INSTALL_REFUSED', message: /web/ });
  host.vms = [];
  const holding = host.installation({ withdrawNetwork: async () => ['0123456789ab'] });
  await assert.rejects(holding.uninstall({ purge: false }), { code: 'INSTALL_FAILED', message: /0123456789ab/ });
  assert.ok(host.read(METADATA));
  await host.installation().uninstall({ purge: false });
});

test('a purge removes the machines by the command of their owner, before anything else goes', async (t) => {
  const host = createHost(t);
  await host.installation().install({ owner: 'mia' });
  host.vms = [{ name: 'web', state: { is: 'running' } }];
  host.calls.length = 0;
  await host.installation().uninstall({ purge: true });
  const at = (words: string) => host.calls.findIndex((call) => call.includes(words));
  assert.ok(at('vm rm --force web') >= 0 && at('vm rm --force web') < at('disable --now bangerd.service'));
  const removal = host.calls.find((call) => call.includes('rm --recursive'));
  assert.match(removal ?? '', /^runuser -u mia -- .* -- \/home\/mia\/\.local\/state\/banger /);
});

test('a restart brings the service in the place of a daemon that a command started', async (t) => {
  const host = createHost(t);
  await host.installation().install({ owner: 'mia' });
  host.calls.length = 0;
  await host.installation().restart();
  const stopped = host.calls.findIndex((call) => call.includes('daemon stop'));
  assert.ok(stopped > 0 && stopped < host.calls.indexOf('systemctl start banger-root.socket bangerd.service'));
});

test('a file that somebody changed is told', async (t) => {
  const host = createHost(t);
  await host.installation().install({ owner: 'mia' });
  host.write('/etc/systemd/system/bangerd.service', 'other');
  const { installed } = await host.installation().status();
  assert.deepEqual(installed?.changed, ['/etc/systemd/system/bangerd.service']);
});

test('what cannot be is refused before anything is touched', async (t) => {
  const host = createHost(t);
  const untouched = host.tree();
  const refused = async (owner: string | null, fault: object, parts: Partial<InstallationParts> = {}) => {
    await assert.rejects(host.installation(parts).install({ owner }), fault);
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
  await host.installation().install({ owner: 'mia' });
  await assert.rejects(host.installation().install({ owner: 'zoe' }), { code: 'INSTALL_REFUSED', message: /mia/ });
  await assert.rejects(host.installation({ stateVersion: 1 }).install({ owner: 'mia' }), { code: 'STATE_TOO_NEW' });
});

/** A host in a folder, with a systemd that remembers what it was told. */
function createHost(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-install-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const hostRoot = join(folder, 'host');
  const root = join(folder, 'checkout');
  const at = (path: string) => join(hostRoot, path);
  const host = {
    ...{
      root,
      at,
      calls: [] as string[],
      enabled: new Set<string>(),
      vms: [] as object[],
      hasBus: true,
      onCall: () => {},
    },
    read: (path: string) => readFileSync(at(path), 'utf8'),
    write: (path: string, text: string, below = hostRoot) => {
      mkdirSync(dirname(join(below, path)), { recursive: true });
      writeFileSync(join(below, path), text);
    },
    change: (path: string, how: (text: string) => string) =>
      writeFileSync(at(path), how(readFileSync(at(path), 'utf8'))),
    isLingering: () => existsSync(at('/var/lib/systemd/linger/mia')),
    tree: () =>
      Object.fromEntries(
        readdirSync(hostRoot, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map(({ parentPath, name }) => join(parentPath, name))
          .filter((path) => !path.includes('/linger/'))
          .sort()
          .map((path) => [path, readFileSync(path, 'utf8')]),
      ),
    keep: () => {
      const kept = mkdtempSync(join(folder, 'kept-'));
      cpSync(hostRoot, kept, { recursive: true });
      return kept;
    },
    putBack: (kept: string) => {
      rmSync(hostRoot, { recursive: true });
      cpSync(kept, hostRoot, { recursive: true });
    },
    rootWithSpace: () => {
      cpSync(root, join(folder, 'with space'), { recursive: true });
      return join(folder, 'with space');
    },
    installation,
  };
  for (const name of ['run/systemd/system', 'etc/systemd/system', 'var/lib/systemd/linger'])
    mkdirSync(at(name), { recursive: true });
  cpSync(join(CHECKOUT, 'packaging/systemd'), join(root, 'packaging/systemd'), { recursive: true });
  host.write(BUILT, 'helper', root);
  return host;

  function installation({ failAt = 0, ...parts }: Partial<InstallationParts> & { failAt?: number } = {}) {
    let count = 0;
    const accounts = [MIA, ZOE, { name: 'root', uid: 0, home: '/root' }, { name: 'odd', uid: 7, home: 'none' }];
    return createInstallation({
      ...{ hostRoot, root, isRoot: true, stateVersion: 5, withdrawNetwork: async () => [] },
      findAccount: async (who) => accounts.find(({ name }) => name === who) ?? null,
      log: { info: () => {}, warn: () => {} },
      now: () => new Date('2026-11-27T00:00:00Z'),
      runTool: async (argv) => {
        host.onCall();
        host.calls.push(argv.join(' '));
        count += 1;
        if (count === failAt) throw new Error(`${argv[0]} fails`);
        return obey(argv);
      },
      ...parts,
    });
  }

  function obey([program, ...words]: string[]): string {
    if (program === 'loginctl') {
      if (!host.hasBus) throw new Error('Failed to connect to system scope bus');
      const path = at('/var/lib/systemd/linger/mia');
      if (words[0] === 'enable-linger') writeFileSync(path, '');
      else rmSync(path, { force: true });
    }
    if (program === 'systemctl' && words[0] === 'enable') host.enabled.add(words.at(-1) ?? '');
    if (program === 'systemctl' && words[0] === 'disable') {
      const unit = words.at(-1) ?? '';
      if (!existsSync(at(`/etc/systemd/system/${unit}`))) throw new Error(`Unit file ${unit} does not exist.`);
      host.enabled.delete(unit);
    }
    return words.includes('ls') ? JSON.stringify({ vms: host.vms }) : '';
  }
}
