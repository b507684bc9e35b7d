/** Ports of a guest from outside, and ssh where it cannot be, without a real guest. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { GuestPorts } from '@banger/contract/guest/messages.ts';
import { createFakeHome } from '../support/fake-home.ts';

test('forwarded connections carry every byte, and each side may end first', async (t) => {
  const home = await startWeb(t);
  const counting = await serve(t, (caller) => {
    caller.resume().once('end', () => caller.end(`got ${caller.bytesRead}`));
  });
  const greeting = await serve(t, (caller) => void caller.resume().end('hello'));
  const forward = home.start(['vm', 'forward', 'web', `0:${counting}`, `0:${greeting}`]);
  const [first, second] = await listening(forward.stdout, 2);
  const sizes = [0, 1, 65_536, 5_000_000];
  const answers = await Promise.all(sizes.map((size) => ask(first, Buffer.alloc(size))));
  assert.deepEqual(
    answers,
    sizes.map((size) => `got ${size}`),
  );
  assert.equal(await ask(second, Buffer.from('not heard')), 'hello');
  forward.kill('SIGINT');
  assert.deepEqual(await once(forward, 'close'), [0, null]);
});

test('a forward ends when its vm does, and does not begin without one', async (t) => {
  const home = await startWeb(t);
  const port = await serve(t, (caller) => void caller.resume());
  const forward = home.start(['vm', 'forward', 'web', `0:${port}`]);
  let said = '';
  forward.stderr?.on('data', (bytes) => {
    said += bytes;
  });
  const [here] = await listening(forward.stdout, 1);
  const open = connect({ port: here as number, host: '127.0.0.1' });
  open.on('error', () => {});
  const taken = await home.run(['vm', 'forward', 'web', `${here}:${port}`]);
  assert.match(taken.stderr, /another program listens there.*\(PORT_TAKEN\)/);
  const closed = once(open, 'close');
  const ended = once(forward, 'close');
  await home.run(['vm', 'kill', 'web']);
  assert.deepEqual(await ended, [70, null]);
  await closed;
  assert.match(said, /"web" has stopped.*\(VM_LOST\)/);
  const { code, stderr } = await home.run(['vm', 'forward', 'web', '80']);
  assert.equal(code, 65, stderr);
  assert.match(stderr, /VM_WRONG_STATE.*\n.*banger vm start web/);
});

test('a port where nobody listens is refused, and a port that is none is not asked for', async (t) => {
  const home = await startWeb(t);
  const refused = await home.run(['vm', 'proxy', 'web', '1']);
  assert.match(refused.stderr, /\(PORT_REFUSED\)/);
  assert.equal(refused.code, 69);
  assert.match((await home.run(['vm', 'proxy', 'web', '99999'])).stderr, /\(USAGE\)/);
  assert.match((await home.run(['vm', 'proxy', 'none', '80'])).stderr, /\(VM_NOT_FOUND\)/);
});

test('what listens is listed', async (t) => {
  const home = await startWeb(t);
  assert.match((await home.run(['vm', 'ports', 'web'])).stdout, /^tcp +22 +0\.0\.0\.0 +sshd +312$/m);
  assert.equal((await home.json<GuestPorts>(['vm', 'ports', 'web'])).ports.length, 5);
});

test('an image without an ssh server says so and names what works', async (t) => {
  const home = await startWeb(t);
  const { code, stderr } = await home.run(['vm', 'ssh', 'web']);
  assert.equal(code, 69);
  assert.match(stderr, /no ssh server.*\(SSH_NO_SERVER\)\n.*banger vm exec web/);
  const known = join(home.paths.data, 'ssh/known_hosts/web.vm');
  assert.ok(existsSync(known));
  await home.json(['vm', 'rm', '--force', 'web']);
  assert.ok(!existsSync(known));
});

async function startWeb(t: TestContext) {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  return home;
}

/** A program "in the guest": the fake agent connects to this host. */
async function serve(t: TestContext, answer: (caller: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (caller) => answer(caller.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** The ports on which a forward says it listens. */
async function listening(stdout: NodeJS.ReadableStream | null, count: number): Promise<number[]> {
  let said = '';
  for await (const bytes of (stdout as Socket | null)?.iterator({ destroyOnReturn: false }) ?? []) {
    said += bytes;
    const ports = [...said.matchAll(/:(\d+) -> web port \d+\n/g)].map(([, port]) => Number(port));
    if (ports.length === count) return ports;
  }
  throw new Error(`it ended after: ${said}`);
}

async function ask(port: number | undefined, bytes: Buffer): Promise<string> {
  const socket = connect({ port: port as number, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(bytes);
  return Buffer.concat(await socket.toArray()).toString();
}
