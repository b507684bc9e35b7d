/**
 * Story: the firewalls of a real host, ufw, firewalld and Docker, each begun while a machine runs, reloaded and ended. The machine
 * stays reachable by its name and gets out, what they forbid stays forbidden, and Docker's containers work beside it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TimedCheck } from '@banger/contract/api/doctor.ts';
import { findPackageSource } from '../../support/package-source.ts';
import { createSystemHost, type SystemHost, serveWord } from '../../support/system-host.ts';

const PORT = 8000;
const SMALL = ['--cpus', '1', '--memory', '384M'];
/** What is begun, what has its rules loaded anew, and what ends it */
const FIREWALLS = {
  ufw: ['ufw --force enable', 'ufw reload', 'ufw --force disable'],
  firewalld: ['systemctl start firewalld', 'firewall-cmd --reload', 'systemctl stop firewalld'],
  Docker: ['systemctl start docker', 'systemctl restart docker', 'systemctl stop docker docker.socket'],
} as const;

test('machines live beside the firewalls of a real host', async (t) => {
  const host = await createSystemHost(t);
  await host.installPackage('this');
  await host.asRoot(['banger', 'system', 'install', '--owner', 'mia']);
  await host.json(['vm', 'create', '--name', 'web', ...SMALL, '--start']);
  await host.json(['vm', 'exec', '--detach', 'web', '--', ...serveWord(PORT, 'hello')]);
  await isReachedAndGetsOut(host);

  for (const [name, [begin, reload, end]] of Object.entries(FIREWALLS)) {
    await t.test(name, { concurrency: 1 }, async (story) => {
      await host.rootShell(begin);
      if (name === 'firewalld')
        await story.test('a table that its owner alone changes is told, with what opens it', () => openTable(host));

      await story.test('begun beside a machine: it is reached, and gets out', () => isReachedAndGetsOut(host));

      await story.test('its rules loaded anew: the same, at once or as soon as the helper sees them', async () => {
        await host.rootShell(reload);
        await isReachedAndGetsOut(host);
      });

      if (name === 'Docker') {
        await story.test('its containers are reached and get out', () => useContainer(host));
      }

      await story.test('ended: the same, whatever rules it leaves', async () => {
        await host.rootShell(end);
        await isReachedAndGetsOut(host);
      });
    });
  }

  await t.test('without machines no rule of banger is left in any table', async () => {
    await host.json(['vm', 'rm', '--force', 'web']);
    await host.untilRoot('nft list ruleset | grep -c bgr || true', '0\n');
    await host.asRoot(['banger', 'system', 'uninstall']);
    assert.doesNotMatch(await host.rootShell('nft list ruleset'), /banger|bgr/);
  });
});

async function isReachedAndGetsOut(host: SystemHost): Promise<void> {
  await host.untilShell(`curl --silent --max-time 20 http://web.vm:${PORT}/`, 'hello');
  assert.equal(await host.askFrom('web'), await host.askFrom(null));
}

/** As Debian ships firewalld, nobody else may write to its table, not even root. */
async function openTable(host: SystemHost): Promise<void> {
  const { checks } = await host.json<{ checks: TimedCheck[] }>(['doctor']);
  const found = checks.find(({ name }) => name === 'addresses');
  assert.match(found?.text ?? '', /lets no machine through \(inet firewalld\)/);
  await host.rootShell(`sudo() { "$@"; }; ${found?.fix}`);
}

/** An image of one program: nothing is pulled in there. */
async function useContainer(host: SystemHost): Promise<void> {
  await host.rootShell('cd /media/banger && tar -c bin/busybox | docker import - box');
  const serve = "while :; do printf 'HTTP/1.0 200 OK\\r\\n\\r\\nfrom a container' | /bin/busybox nc -l -p 80; done";
  await host.rootShell('docker run --detach --name site --publish 8081:80 box /bin/busybox sh -c "$1"', serve);
  await host.untilRoot('curl --silent --max-time 20 http://127.0.0.1:8081/', 'from a container');
  const { hostname, port } = findPackageSource().uri;
  const ask = "printf 'HEAD / HTTP/1.0\\r\\n\\r\\n' | /bin/busybox nc $0 $1 | /bin/busybox head -c 5";
  const address = (await host.rootShell(`getent ahostsv4 ${hostname} | head -n 1 | cut -d' ' -f1`)).trim();
  const out = 'docker run --rm box /bin/busybox sh -c "$1" "$2" "$3"';
  assert.equal(await host.rootShell(out, ask, address, port || '80'), 'HTTP/');
  await host.rootShell('docker rm --force site && docker rmi box');
}
