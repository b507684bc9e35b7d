/** Ports that a vm publishes: the daemon listens for as long as it runs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { findFreePort } from '../support/free-port.ts';

test('a published port is reachable while the vm runs, and again after the daemon was killed', async (t) => {
  const home = await createFakeHome(t);
  const here = await findFreePort();
  const guestPort = await serve(t);
  const made = await home.json<Vm>(['vm', 'create', '--name', 'web', '-p', `${here}:${guestPort}`]);
  assert.deepEqual(made.publish, [{ host: '127.0.0.1', hostPort: here, guestPort }]);
  assert.match((await home.run(['vm', 'show', 'web'])).stdout, new RegExp(`127.0.0.1:${here} is port ${guestPort}`));
  assert.equal(await isOpen(here), false, 'it does not run yet');

  await home.json(['vm', 'start', 'web']);
  const bytes = Buffer.alloc(3_000_000);
  assert.equal(await ask(here, bytes), `got ${bytes.length}`);

  await home.killDaemon();
  assert.equal(await isOpen(here), false, 'nobody listens without a daemon');
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).fault, null);
  assert.equal(await ask(here, Buffer.from('hello')), 'got 5');

  const open = connect(here, '127.0.0.1').on('error', () => {});
  await once(open, 'connect');
  const closed = once(open, 'close');
  await home.json(['vm', 'stop', 'web']);
  await closed;
  assert.equal(await isOpen(here), false);

  await home.json(['vm', 'start', 'web']);
  assert.equal(await ask(here, Buffer.from('again')), 'got 5');
  await home.json(['daemon', 'stop']);
  assert.equal(await isOpen(here), false, 'a daemon that ends listens no more');
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).state.is, 'running');
  assert.equal(await ask(here, Buffer.from('still')), 'got 5');
  await home.json(['vm', 'rm', '--force', 'web']);
  assert.equal(await isOpen(here), false);
});

test('a port that is taken fails the start, and nothing is left', async (t) => {
  const home = await createFakeHome(t);
  const [free, taken, guestPort] = [await findFreePort(), await serve(t), await serve(t)];
  const publish = ['-p', `${free}:${guestPort}`, '-p', `${taken}:${guestPort}`];
  const { code, stderr } = await home.run(['vm', 'run', '--name', 'web', ...publish, '--', 'true']);
  assert.equal(code, 69, stderr);
  assert.match(stderr, /another program listens there.*\(PORT_TAKEN\)\n.*ss -ltnp/);
  assert.equal(await isOpen(free), false);
  assert.deepEqual(await home.leftovers(), []);

  await home.json(['vm', 'create', '--name', 'kept', ...publish]);
  assert.match((await home.run(['vm', 'start', 'kept'])).stderr, /\(PORT_TAKEN\)/);
  const { state, fault } = await home.json<Vm>(['vm', 'show', 'kept']);
  assert.deepEqual([state.is, fault?.code], ['stopped', 'PORT_TAKEN']);
  assert.equal(await isOpen(free), false);
});

test('a port that was taken while no daemon ran is told by the vm, which runs on', async (t) => {
  const home = await createFakeHome(t);
  const here = await findFreePort();
  await home.json(['vm', 'create', '--name', 'web', '--start', '-p', `${here}:${await serve(t)}`]);
  await home.killDaemon();
  const thief = createServer().listen(here, '127.0.0.1');
  await once(thief, 'listening');
  const { state, fault } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.deepEqual([state.is, fault?.code], ['running', 'PORT_TAKEN']);
  assert.match(fault?.message ?? '', /another program listens there\. "banger vm restart web" tries again/);

  await home.killDaemon();
  thief.close();
  await once(thief, 'close');
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).fault, null, 'the next daemon gets it');
  assert.equal(await ask(here, Buffer.from('back')), 'got 4');
});

test('a connection is use: the vm does not stop under it', async (t) => {
  const home = await createFakeHome(t);
  await home.writeConfig('[vm]\nidle_stop_after = "1h"\n');
  const here = await findFreePort();
  await home.json(['vm', 'create', '--name', 'web', '--start', '-p', `${here}:${await serve(t)}`]);
  const open = connect(here, '127.0.0.1').on('error', () => {});
  await home.untilVm('web', ({ idleStopAt }) => idleStopAt === null);
  open.destroy();
  await home.untilVm('web', ({ idleStopAt }) => idleStopAt !== null);
});

test('what cannot be published or given is refused, and a lost state does not lose what can', async (t) => {
  const home = await createFakeHome(t);
  const refuseAs = (flag: string) => {
    return async (words: RegExp, ...ports: string[]) => {
      const flags = ports.flatMap((port) => [flag, port]);
      const { code, stderr } = await home.run(['vm', 'create', '--name', 'no', ...flags]);
      assert.notEqual(code, 0);
      assert.match(stderr, words);
    };
  };
  const tooMany = Array.from({ length: 33 }, (_, index) => `${20_000 + index}`);
  const refuse = refuseAs('-p');
  await refuse(/does not say which port.*\(USAGE\)/, '0:80');
  await refuse(/does not say what to forward.*\(USAGE\)/, '80/udp');
  await refuse(/at an IP address.*\(BAD_REQUEST\)/, 'example.org:8080:80');
  await refuse(/named twice.*\(BAD_REQUEST\)/, '8080:80', 'localhost:8080:81');
  await refuse(/at most 32 ports.*\(BAD_REQUEST\)/, ...tooMany);
  const refuseHostPorts = refuseAs('--host-port');
  for (const port of ['0', '65536', '5432:5433', 'localhost']) await refuseHostPorts(/is not a port.*\(USAGE\)/, port);
  await refuseHostPorts(/named twice.*\(BAD_REQUEST\)/, '5432', '05432');
  await refuseHostPorts(/at most 32 ports.*\(BAD_REQUEST\)/, ...tooMany);

  const given = ['-p', '[::1]:8080:80', '--host-port', '5432'];
  const { publish, hostPorts } = await home.json<Vm>(['vm', 'create', '--name', 'web', ...given]);
  assert.deepEqual(hostPorts, [5432]);
  await home.json(['daemon', 'stop']);
  await rm(join(home.paths.state, 'state.sqlite'));
  await rm(join(home.paths.state, 'copies'), { recursive: true, force: true });
  await home.run(['system', 'recover']);
  const kept = await home.json<Vm>(['vm', 'show', 'web']);
  assert.deepEqual([kept.publish, kept.hostPorts], [publish, hostPorts]);
});

/** A program "in the guest", which counts: the fake agent connects to this host. */
async function serve(t: TestContext): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (caller: Socket) => {
    caller.on('error', () => {}).resume();
    caller.once('end', () => caller.end(`got ${caller.bytesRead}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}

async function ask(port: number, bytes: Buffer): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(bytes);
  return Buffer.concat(await socket.toArray()).toString();
}
