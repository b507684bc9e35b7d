/** Hosts that are not as an install would like them. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, lstatSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { test } from 'node:test';
import { Task } from '../platform/task.ts';
import { createHost } from './testing/installation-host.ts';

const TASK = Task.background();
const DAEMON_UNIT = '/etc/systemd/system/bangerd.service';

test('a unit that is masked is not replaced, nor is a file that no install has written', async (t) => {
  const host = createHost(t);
  symlinkSync('/dev/null', host.at(DAEMON_UNIT));
  const refused = { code: 'INSTALL_REFUSED', hint: /systemctl unmask/ };
  await assert.rejects(host.installation().install(TASK, { owner: 'mia' }), refused);
  assert.equal(lstatSync(host.at(DAEMON_UNIT)).isSymbolicLink(), true);
  rmSync(host.at(DAEMON_UNIT));

  host.write(DAEMON_UNIT, 'of somebody else');
  const before = host.state();
  const foreign = { code: 'INSTALL_REFUSED', message: /bangerd\.service is there already/ };
  await assert.rejects(host.installation().install(TASK, { owner: 'mia' }), foreign);
  assert.deepEqual(host.state(), before);
});

test('a unit that becomes a link is told by status, and taken away by an uninstall', async (t) => {
  const host = createHost(t);
  const before = host.state();
  await host.installation().install(TASK, { owner: 'mia' });
  rmSync(host.at(DAEMON_UNIT));
  symlinkSync('/dev/null', host.at(DAEMON_UNIT));
  assert.deepEqual((await host.installation().status(TASK)).installed?.changed, [DAEMON_UNIT]);
  await host.installation().uninstall(TASK, { purge: false });
  assert.equal(lstatSync(host.at(DAEMON_UNIT), { throwIfNoEntry: false }), undefined);
  assert.deepEqual(host.state(), before);
});

test('nothing that root runs is put where others than root can write', async (t) => {
  const host = createHost(t);
  mkdirSync(host.at('/opt/banger'), { recursive: true });
  chmodSync(host.at('/opt/banger'), 0o777);
  const before = host.state();
  const refused = { code: 'INSTALL_REFUSED', message: /opt\/banger can be written by others/, hint: /chmod go-w/ };
  await assert.rejects(host.installation().install(TASK, { owner: 'mia' }), refused);
  assert.deepEqual(host.state(), before);
});

test('whatever umask root has, everybody can read what is installed', async (t) => {
  const host = createHost(t);
  const umask = process.umask(0o077);
  t.after(() => process.umask(umask));
  await host.installation().install(TASK, { owner: 'mia' });
  for (const folder of ['/etc/banger', '/opt', '/opt/banger'])
    assert.equal(statSync(host.at(folder)).mode & 0o777, 0o755);
});

test('of two commands at once the second is refused, and the lock is gone afterwards', async (t) => {
  const host = createHost(t);
  const first = host.installation().install(TASK, { owner: 'mia' });
  const refused = { code: 'INSTALL_REFUSED', message: /at work/ };
  await assert.rejects(host.installation().uninstall(TASK, { purge: false }), refused);
  assert.equal((await first).installed?.isComplete, true);
  await host.installation().uninstall(TASK, { purge: false });
  assert.equal(existsSync(host.at('/run/banger-install.lock')), false);
});

test('services whose owner is no user any more are told of, and can be taken away', async (t) => {
  const host = createHost(t);
  const before = host.state();
  await host.installation().install(TASK, { owner: 'mia' });
  host.accounts = host.accounts.filter(({ name }) => name !== 'mia');
  assert.match((await host.installation().status(TASK)).notes.join(), /mia \(uid 1000\) is no more.*uninstall/);
  const refused = { code: 'INSTALL_REFUSED', hint: /uninstall/ };
  await assert.rejects(host.installation().install(TASK, { owner: null }), refused);
  await assert.rejects(host.installation().install(TASK, { owner: 'zoe' }), refused);
  host.calls.length = 0;
  await host.installation().uninstall(TASK, { purge: true });
  assert.deepEqual(host.state(), before);
  assert.ok(!host.calls.some((call) => /runuser|loginctl/.test(call)), 'nobody is asked by a name that nobody has');
});

test('an owner who has another name or home is found by number, and an install brings it to the services', async (t) => {
  const host = createHost(t);
  const before = host.state();
  await host.installation().install(TASK, { owner: 'mia' });
  const maya = { name: 'maya', uid: 1000, home: '/srv/maya' };
  host.accounts = host.accounts.map((account) => (account.uid === 1000 ? maya : account));
  assert.match((await host.installation().status(TASK)).notes.join(), /maya with the home \/srv\/maya now/);
  const { installed, notes } = await host.installation().install(TASK, { owner: null });
  assert.deepEqual([installed?.owner.name, notes], ['maya', []]);
  assert.match(host.read(DAEMON_UNIT), /^User=maya$/m);
  assert.deepEqual(host.state().lingering, ['maya']);
  await host.installation().uninstall(TASK, { purge: false });
  assert.deepEqual(host.state(), before);
});

test('a name that another user has got by now is left to them', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: 'mia' });
  const [maya, mia] = [
    { name: 'maya', uid: 1000, home: '/srv/maya' },
    { name: 'mia', uid: 1002, home: '/home/mia' },
  ];
  host.accounts = [maya, mia];
  await host.installation().install(TASK, { owner: null });
  await host.installation().uninstall(TASK, { purge: false });
  assert.deepEqual(host.state().lingering, ['mia']);
});

test('whoever calls for an upgrade, the owner stays', async (t) => {
  const host = createHost(t);
  await host.installation().install(TASK, { owner: null, caller: 'mia' });
  assert.equal((await host.installation().install(TASK, { owner: null, caller: 'zoe' })).installed?.owner.name, 'mia');
});

test('where no systemd runs, as in a folder that becomes a host, an uninstall takes the files and links', async (t) => {
  const host = createHost(t);
  const before = host.state();
  await host.installation().install(TASK, { owner: 'mia' });
  host.enabled.clear();
  mkdirSync(host.at('/etc/systemd/system/multi-user.target.wants'));
  symlinkSync(DAEMON_UNIT, host.at('/etc/systemd/system/multi-user.target.wants/bangerd.service'));
  rmSync(host.at('/run/systemd'), { recursive: true });
  host.calls.length = 0;
  await host.installation().uninstall(TASK, { purge: false });
  assert.deepEqual([host.state(), host.calls], [before, []]);
  assert.equal(existsSync(host.at('/etc/systemd/system/multi-user.target.wants')), false);
});

test('a daemon that does not start is quoted, and one without its home says that', async (t) => {
  const host = createHost(t);
  const before = host.state();
  host.faultOfDaemon = 'STATE_TOO_NEW: a newer banger has written it';
  await assert.rejects(host.installation().install(TASK, { owner: 'mia' }), {
    code: 'INSTALL_FAILED',
    details: { console: [host.faultOfDaemon] },
  });
  assert.deepEqual(host.state(), before);

  host.faultOfDaemon = null;
  await host.installation().install(TASK, { owner: 'mia' });
  host.hasHome = false;
  await assert.rejects(host.installation().restart(TASK), { code: 'INSTALL_FAILED', message: /below \/home\/mia/ });
});
