/** Story: the guest reaches the world, and not the host's loopback. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { findByArgument, killProcess } from '../../packages/daemon/src/platform/processes.ts';
import { createHome } from '../support/banger-home.ts';
import { findPackageSource } from '../support/package-source.ts';

test('the network of a machine', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'net', '--memory', '640M']);
  await home.json(['vm', 'start', 'net']);

  await t.test('names resolve and TCP goes out: a release of Debian comes in', async () => {
    const { uri, release } = findPackageSource();
    const fetching = ['curl', '-sSf', '-m', '60', `${uri.href.replace(/\/?$/, '/')}dists/${release}/InRelease`];
    const { code, stdout, stderr } = await home.run(['vm', 'exec', 'net', '--', ...fetching]);
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
    for (const address of ['10.0.2.2', '10.0.2.3', '127.0.0.1', '0.0.0.0', ...ownAddresses]) {
      const { stdout } = await home.run([
        'vm',
        'exec',
        'net',
        '--',
        'curl',
        '-s',
        '-m',
        '5',
        `http://${address}:${port}/`,
      ]);
      assert.ok(!stdout.includes(token), `the host's loopback answers at ${address}`);
    }
  });

  await t.test('nobody answers a guest where clouds have their metadata, whatever routes its root makes', async () => {
    // By a route of its own, and from an address that the host never gave it
    const script = `
      ip address add 169.254.1.1/32 dev eth0; ip route replace 169.254.169.254/32 via 10.0.2.2 dev eth0 onlink
      for from in 10.0.2.15 169.254.1.1; do
        curl -s -m 5 --interface "$from" -o /dev/null http://169.254.169.254/; echo "$?"
      done`;
    const { stdout } = await home.run(['vm', 'exec', 'net', '--', 'bash', '-c', script]);
    assert.match(stdout, /^(7|28)\n(7|28)\n$/); // curl's: no connection, or no answer
  });

  await t.test('names have no addresses that the machine cannot reach, and the host has one', async () => {
    const script = 'getent ahosts host.banger; getent ahostsv6 host.banger; cat /etc/resolv.conf';
    const { stdout } = await home.run(['vm', 'exec', 'net', '--', 'sh', '-c', script]);
    assert.match(stdout, /^10\.0\.2\.2 +STREAM host\.banger$/m);
    assert.doesNotMatch(stdout, /^[0-9a-f]*:[0-9a-f:]+ /m);
    assert.match(stdout, /^nameserver 10\.0\.2\.3$/m);
  });

  await t.test('a network that is killed is told', async () => {
    const { id } = await home.json<Vm>(['vm', 'show', 'net']);
    // The arguments of its passt, and of what is around it
    const [passt] = findByArgument(`${home.paths.runtime}/vms/${id}/passt.log`).reverse();
    assert.ok(passt);
    await killProcess(passt);
    const { state, fault } = await home.untilVm('net', (vm) => vm.fault !== null);
    assert.deepEqual([state.is, fault?.code], ['running', 'NETWORK_FAILED']);
    assert.deepEqual(findByArgument(`${home.paths.runtime}/vms/${id}/passt.log`), []);
  });
});
