/** Story: the guest reaches the world, and not the host's loopback. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { createHome } from '../support/banger-home.ts';

test('the network of a machine', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'net', '--memory', '640M']);
  await home.json(['vm', 'start', 'net']);

  await t.test('names resolve and TCP goes out: the package lists come in', async () => {
    const { code, stdout, stderr } = await home.run(['vm', 'exec', 'net', '--', 'apt-get', 'update']);
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stdout + stderr, /^(Err|W:|E:)/m);
    assert.match(stdout, /Reading package lists/);
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
});
