import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BangerError } from '@banger/contract/errors.ts';
import { findByArgument, killProcess } from '../platform/processes.ts';
import type { Scopes } from '../platform/scope.ts';
import { Task } from '../platform/task.ts';
import { connectSocket } from '../platform/unix-sockets.ts';
import { networkCommand } from './network-command.ts';
import { createUserNetwork } from './passt.ts';

const LINK = join(import.meta.dirname, '../../../../host/link/target/x86_64-unknown-linux-gnu/release/banger-link');
const task = Task.background();
const DEFAULT_ROUTE = 'Iface\tDestination\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n';
const OPEN = { isPrivateOpen: true, hostPorts: [] };
const PLAN = {
  socket: '/run/vm/network.sock',
  pid: '/run/vm/passt.pid',
  log: '/run/vm/passt.log',
  resolvers: '/etc/resolv.conf',
  closed: ['169.254.0.0/16'],
  hostPorts: [5432],
};

test('passt runs in a namespace of its own, with no port and no gateway to the host', () => {
  const [outside, pasta, inside, passt] = partsOf(networkCommand(tools('pasta'), PLAN));
  assert.deepEqual([outside?.[1], pasta?.[0], inside?.[2], passt?.[0]], ['outside', 'pasta', 'inside', 'passt']);
  for (const option of ['--tcp-ports', '--udp-ports', '--tcp-ns', '--udp-ns']) {
    assert.equal(pasta?.[pasta.indexOf(option) + 1], 'none');
  }
  for (const program of [pasta, passt]) assert.equal(program?.includes('--no-map-gw'), true);
  assert.equal(pasta?.includes('--netns-only'), false);
  for (const link of [outside, inside]) {
    assert.equal(link?.[link.indexOf('--closed') + 1], '169.254.0.0/16');
    assert.equal(link?.[link.indexOf('--host-port') + 1], '5432');
  }
});

test('for root it runs in a user namespace too, and does not become nobody', () => {
  const [, pasta, , passt] = partsOf(networkCommand({ ...tools('pasta'), isRoot: true }, PLAN));
  assert.deepEqual(pasta?.slice(0, 3), ['unshare', '--user', '--map-root-user']);
  assert.equal(pasta?.includes('--netns-only'), true);
  for (const program of [pasta, passt]) assert.equal(program?.includes('--runas'), true);
});

test('without a device for a namespace, or without a route, the machine starts with no network and says why', async (t) => {
  const folder = await runtimeFolder(t);
  const notes: string[] = [];
  const noting = new Task(new AbortController().signal, (event) => event.is === 'note' && notes.push(event.text));
  const closed = createUserNetwork({ ...tools('pasta'), host: { ...host(folder), tunDevice: '/nonexistent/tun' } });
  assert.equal(await closed.connect(noting, folder, OPEN), null);
  await writeFile(host(folder).routesPath, 'Iface\tDestination\tGateway\n');
  const routeless = createUserNetwork({ ...tools('pasta'), host: host(folder) });
  assert.equal(await routeless.connect(noting, folder, OPEN), null);
  assert.match(notes.join('\n'), /tun cannot be opened[\s\S]*no default route/);
});

test('a host that makes no namespace for it is told in the same way', async (t) => {
  const folder = await runtimeFolder(t);
  const notes: string[] = [];
  const noting = new Task(new AbortController().signal, (event) => event.is === 'note' && notes.push(event.text));
  const network = await networkOf(folder, 'echo "Failed to detach isolating namespaces: No space left" >&2; exit 1');
  assert.equal(await network.connect(noting, folder, OPEN), null);
  assert.match(notes.join(), /^The machine has no network: .* namespace for it \(Failed to detach/);
  assert.deepEqual(findByArgument(folder), []);
});

test('a network is ready when passt says so, and is gone when it is released', async (t) => {
  const folder = await runtimeFolder(t);
  const network = await networkOf(
    folder,
    `exec ${join(import.meta.dirname, '../../../../test/support/fake-passt')} "$@"`,
  );
  const link = await network.connect(task, folder, OPEN);
  assert.ok(link);
  assert.deepEqual(link.network.dns, ['10.0.2.3']);
  const client = await connectSocket(task, link.socketPath);
  client.destroy();
  await network.release(folder);
  assert.deepEqual(findByArgument(folder), []);
  await network.release(folder); // safe to repeat
});

test('passt has bounds that leave room for what comes in at the ports of the host', async (t) => {
  const folder = await runtimeFolder(t);
  const asked: number[] = [];
  const around: Scopes['around'] = async (_task, { processes }) => {
    asked.push(processes);
    throw new BangerError('CANCELLED', { message: 'Enough is known.' });
  };
  const scopes = { around, findScopeObstacle: async () => null, isLost: async () => false };
  const network = createUserNetwork({ ...tools('pasta'), host: host(folder), scopes });
  for (const hostPorts of [[], [5432, 6379]]) {
    await assert.rejects(network.connect(task, folder, { ...OPEN, hostPorts }), { code: 'CANCELLED' });
  }
  assert.deepEqual(asked, [256, 256 + 2 * 257]);
});

test('a passt that fails is told in its own words, and leaves nothing', async (t) => {
  const folder = await runtimeFolder(t);
  const network = await networkOf(folder, `${UNLESS_STARTING}; echo "No routable interface" >&2; exit 1`);
  await assert.rejects(network.connect(task, folder, OPEN), {
    code: 'NETWORK_FAILED',
    message: /passt exited with 1: No routable interface/,
  });
  const missing = createUserNetwork({ ...tools('/nonexistent/pasta'), host: host(folder) });
  await assert.rejects(missing.connect(task, folder, OPEN), { code: 'TOOL_MISSING' });
});

test('a passt that has its socket and then ends is no network', async (t) => {
  const folder = await runtimeFolder(t);
  const listen = "require('net').createServer().listen(process.argv[process.argv.indexOf('--socket')+1], process.exit)";
  const ending = `${UNLESS_STARTING}; "${process.execPath}" -e "${listen}" -- "$@"; echo "Couldn't create user namespace" >&2; exit 1`;
  const network = await networkOf(folder, ending);
  await assert.rejects(network.connect(task, folder, OPEN), {
    code: 'NETWORK_FAILED',
    message: /create user namespace/,
  });
  assert.deepEqual(findByArgument(folder), []);
});

test('a passt that hangs is given up with the task, and ended', async (t) => {
  const folder = await runtimeFolder(t);
  const network = await networkOf(folder, `exec "${process.execPath}" -e "setInterval(() => {}, 1000)" -- "$@"`);
  const hanging = network.connect(task.withSignal(AbortSignal.timeout(100)), folder, OPEN);
  await assert.rejects(hanging, { code: 'TIMED_OUT' });
  assert.deepEqual(findByArgument(folder), []);
});

test('a socket path that is too long is refused', async (t) => {
  const parent = await runtimeFolder(t);
  const network = createUserNetwork({ ...tools('pasta'), host: host(parent) });
  const folder = join(parent, 'x'.repeat(100));
  await assert.rejects(network.connect(task, folder, OPEN), { code: 'PATH_TOO_LONG' });
});

/** What a program that fails only when a network is started does when a namespace is only tried */
const UNLESS_STARTING = 'case "$*" in *--socket*) ;; *) exit 0 ;; esac';

/** A command of programs that each start the next, apart. */
function partsOf(command: string[]): string[][] {
  const end = command.indexOf('--');
  return end === -1 ? [command] : [command.slice(0, end), ...partsOf(command.slice(end + 1))];
}

function tools(pastaPath: string) {
  return { linkPath: LINK, passtPath: 'passt', pastaPath, isRoot: false };
}

function host(folder: string) {
  return {
    tunDevice: '/dev/null',
    routesPath: join(folder, 'routes'),
    resolversPath: join(folder, 'resolv.conf'),
  };
}

/** A network whose pasta is this shell script. */
async function networkOf(folder: string, script: string) {
  const pastaPath = join(folder, 'fake');
  await writeFile(pastaPath, `#!/bin/sh\n${script}\n`);
  await chmod(pastaPath, 0o700);
  return createUserNetwork({ ...tools(pastaPath), host: host(folder) });
}

async function runtimeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-passt-'));
  await writeFile(host(folder).routesPath, DEFAULT_ROUTE);
  t.after(async () => {
    for (const found of findByArgument(folder)) await killProcess(found);
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}
