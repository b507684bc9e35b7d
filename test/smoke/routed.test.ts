/** Story: a machine with an address of its own, on a host of namespaces with the real root helper and a world around it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';
import { writeBusyboxTarball } from '../support/busybox-image.ts';
import { createRoutedHost } from '../support/routed-host.ts';

const PORT = 8080;
const [INTERNET, COMPANY] = ['198.51.100.7', '10.9.9.9'];
const ADDRESS = '10.213.64.16';
/** In a user namespace the host's folders belong to nobody that a daemon trusts. */
const asRoot = process.getuid?.() === 0 ? {} : { skip: 'needs root' };

test('a machine with an address of its own', asRoot, async (t) => {
  const host = await createRoutedHost();
  const home = await createHome(t, { around: host.around, env: host.env }).finally(() => t.after(host.end));
  await host.addWorld(PORT, [INTERNET, COMPANY]);
  const tarball = join(home.folder, 'busybox.tar');
  await writeBusyboxTarball(tarball);
  await home.json(['image', 'import', 'busybox', tarball]);
  const small = ['--image', 'busybox', '--memory', '128M', '--disk-size', '256M'];
  const create = ['vm', 'create', ...small, '--network', 'routed'];
  const made = await home.json<Vm>([...create, '--name', 'web', '--start']);
  const inside = async (script: string) => (await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script])).stdout;

  await t.test('has it from its agent, and asks for names where the host answers them', async () => {
    assert.equal(made.address, ADDRESS);
    assert.match(await inside('ip -4 addr show eth0'), new RegExp(`inet ${ADDRESS}/32 `));
    assert.match(await inside('cat /etc/resolv.conf'), /^nameserver 10\.213\.64\.2$/m);
  });

  await t.test('is reached there from the host, at any port', async () => {
    await inside('mkdir /tmp/site; echo hello from web > /tmp/site/index.html; busybox httpd -p 8000 -h /tmp/site');
    assert.equal(host.ask(`http://${ADDRESS}:8000/`), 'hello from web\n');
  });

  await t.test('reaches the internet with the address of the host, and no private network', async () => {
    assert.equal(await inside(`wget -qO- http://${INTERNET}:${PORT}/`), '203.0.113.2');
    assert.equal(host.ask(`http://${COMPANY}:${PORT}/`), '203.0.113.2', 'the host does');
    assert.equal(await inside(`busybox timeout 3 wget -qO- http://${COMPANY}:${PORT}/ || echo no`), 'no\n');
  });

  const other = await home.json<Vm>([...create, '--name', 'other', '--allow', 'machines', '--start']);
  const askOther = `wget -qO- http://${other.address}:8000/`;
  await t.test('does not reach another machine that may be reached, while it may reach none itself', async () => {
    const serve = 'mkdir /tmp/site; echo hello from other > /tmp/site/index.html; busybox httpd -p 8000 -h /tmp/site';
    await home.run(['vm', 'exec', 'other', '--', 'sh', '-c', serve]);
    assert.equal(host.ask(`http://${other.address}:8000/`), 'hello from other\n');
    assert.equal(await inside(`busybox timeout 3 ${askOther} || echo no`), 'no\n');
  });

  await t.test('has its address again after a change, with what it may reach now', async () => {
    await home.writeConfig('[network]\nallow = ["private"]\n');
    await home.json(['vm', 'stop', '--timeout', '0s', 'web']);
    await home.json(['vm', 'set', '--allow', 'machines', 'web']);
    await home.json(['vm', 'start', 'web']);
    assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).address, ADDRESS);
    assert.equal(await inside(`wget -qO- http://${COMPANY}:${PORT}/`), '203.0.113.2');
    assert.equal(await inside(askOther), 'hello from other\n');
  });

  await home.json(['vm', 'rm', '--force', 'web', 'other']);
  assert.deepEqual(host.devices(), []);
});
