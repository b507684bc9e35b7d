/** Story: what a guest reaches, and what it does not, on a host of namespaces with a world of our own around it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { networkCommand } from '../../packages/daemon/src/network/network-command.ts';
import { closedNetworks } from '../../packages/daemon/src/network/reach.ts';
import { findByArgument } from '../../packages/daemon/src/platform/processes.ts';
import { CHECKOUT, type Home } from '../support/banger-home.ts';
import { createFakeHome } from '../support/fake-home.ts';
import {
  HOST_PORT,
  LATER_HOST_ADDRESS,
  MACHINE_ADDRESS,
  SECOND_HOST_ADDRESS,
  WORLD_PORT,
} from '../support/fake-world.ts';
import type { ProbeStep } from '../support/network-probe.ts';

const METADATA = ['169.254.169.254', '169.254.0.9', '100.100.100.200', '168.63.129.16', '192.0.0.192'];
const PRIVATE = ['10.9.8.7', '172.16.5.4', '192.168.7.7', '100.64.1.1'];
const toWorld = (address: string): ProbeStep => ({ tcp: address, port: WORLD_PORT });

test('metadata and what is link-local is closed, whatever routes the host has; the rest is open', async (t) => {
  const open = ['198.51.100.7', ...PRIVATE];
  const udp = [...METADATA, '224.0.0.251', '255.255.255.255'].map((address) => ({ udp: address, port: WORLD_PORT }));
  const steps = [...METADATA.map(toWorld), ...udp, ...open.map(toWorld)];
  const outcomes = await probe(t, steps);
  const closed = METADATA.length + udp.length;
  assert.deepEqual(outcomes, [...Array(closed).fill('EACCES'), ...open.map((address) => `the world at ${address}`)]);
});

test('private networks are closed where the config says so, and names go on', async (t) => {
  const steps: ProbeStep[] = [...PRIVATE.map(toWorld), toWorld('198.51.100.7'), { name: 'a.example', kind: 'A' }];
  const outcomes = await probe(t, steps, { isPrivateOpen: false });
  const closed = PRIVATE.map(() => 'EACCES');
  assert.deepEqual(outcomes, [...closed, 'the world at 198.51.100.7', '203.0.113.1']);
});

test("the host's loopback and its addresses are not there", async (t) => {
  const addresses = ['127.0.0.1', '10.0.2.2', '10.0.2.3', '203.0.113.2', '0.0.0.0'];
  const outcomes = await probe(
    t,
    addresses.map((address) => ({ tcp: address, port: HOST_PORT })),
  );
  assert.deepEqual(new Set(outcomes), new Set(['ECONNREFUSED']));
  assert.deepEqual(await probe(t, [{ tcp: SECOND_HOST_ADDRESS, port: HOST_PORT }]), ['EACCES']);
});

test('machines with an address of their own are not there', async (t) => {
  const outcomes = await probe(t, [toWorld(MACHINE_ADDRESS), toWorld('10.9.8.7')]);
  assert.deepEqual(outcomes, ['EACCES', 'the world at 10.9.8.7']);
});

test('an address that the host gets while a vm runs is closed as well', async (t) => {
  const hostGetsAddress = join(await temporaryFolder(t), 'now');
  const steps: ProbeStep[] = [
    { write: hostGetsAddress, text: '' },
    { until: 'EACCES', tcp: LATER_HOST_ADDRESS, port: HOST_PORT },
    toWorld('198.51.100.7'),
  ];
  const outcomes = await probe(t, steps, { hostGetsAddress });
  assert.deepEqual(outcomes, ['written', 'EACCES', 'the world at 198.51.100.7']);
});

test('names are asked of the servers that the host has now, and of the next one when one fails', async (t) => {
  const folder = await temporaryFolder(t);
  const resolvers = join(folder, 'resolv.conf');
  await writeFile(resolvers, 'nameserver 203.0.113.1\nnameserver 203.0.113.53\n');
  const outcomes = await probe(
    t,
    [
      { name: 'a.example', kind: 'A' },
      { name: 'refused.example', kind: 'A' },
      { write: resolvers, text: 'nameserver 203.0.113.53\n' },
      { name: 'a.example', kind: 'A' },
      // Nobody is there
      { write: resolvers, text: 'nameserver 203.0.113.99\nnameserver 203.0.113.1\n' },
      { name: 'b.example', kind: 'A' },
      { name: 'host.banger', kind: 'A' },
    ],
    { resolvers },
  );
  const [first, second] = ['203.0.113.1', '203.0.113.53'];
  assert.deepEqual(outcomes, [first, second, 'written', second, 'written', first, '10.0.2.2']);
});

test('addresses of a network that machines do not have are not told', async (t) => {
  assert.deepEqual(await probe(t, [{ name: 'a.example', kind: 'AAAA' }]), ['ENODATA']);
});

test('a port of the host that the config gives is reached at one address, and nothing beside it', async (t) => {
  const steps: ProbeStep[] = [
    { tcp: '10.0.2.2', port: HOST_PORT },
    { tcp: '10.0.2.2', port: WORLD_PORT },
    { tcp: '127.0.0.1', port: HOST_PORT },
  ];
  const outcomes = await probe(t, steps, { hostPorts: [HOST_PORT] });
  assert.deepEqual(outcomes, ['the host at 127.0.0.1', 'ECONNREFUSED', 'ECONNREFUSED']);
});

test('a port of the host that one vm was made with is reached by that vm, and by no other', async (t) => {
  const home = await createFakeHome(t);
  const [given, other] = [await serveOnLoopback(t), await serveOnLoopback(t)];
  const made = await home.json<Vm>(['vm', 'create', '--name', 'one', '--host-port', String(given)]);
  assert.deepEqual(made.hostPorts, [given]);
  assert.match((await home.run(['vm', 'show', 'one'])).stdout, new RegExp(`host ports: +${given} at host.banger`));
  await home.json(['vm', 'start', 'one']);
  await home.json(['vm', 'create', '--name', 'two', '--start']);
  const reached = async (name: string) => {
    const { id } = await home.json<Vm>(['vm', 'show', name]);
    return [await askFromNamespace(home, id, given), await askFromNamespace(home, id, other)];
  };
  assert.deepEqual(await reached('one'), ['the host', '']);
  assert.deepEqual(await reached('two'), ['', '']);
});

async function serveOnLoopback(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.end('the host'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** What answers at the host's address where this vm's passt is; nothing where nobody does. */
async function askFromNamespace(home: Home, id: string, port: number): Promise<string> {
  const passt = findByArgument(`${home.paths.runtime}/vms/${id}/passt.log`).at(-1);
  assert.ok(passt);
  const script = `exec 3<>/dev/tcp/10.0.2.2/${port} && cat <&3`;
  const enter = ['--preserve-credentials', '--user', '--net', '--target', String(passt.pid)];
  const asking = spawn('nsenter', [...enter, 'bash', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  return text(asking.stdout);
}

type Given = { isPrivateOpen?: boolean; resolvers?: string; hostPorts?: number[]; hostGetsAddress?: string };

/** Takes the steps inside the namespace that a vm's passt has, on the host of fake-host.ts. */
async function probe(t: TestContext, steps: ProbeStep[], given: Given = {}): Promise<string[]> {
  const folder = await temporaryFolder(t);
  const resolvers = join(folder, 'resolv.conf');
  await writeFile(resolvers, 'nameserver 203.0.113.1\n');
  const command = networkCommand(
    {
      linkPath: join(CHECKOUT, 'host/link/target/x86_64-unknown-linux-gnu/release/banger-link'),
      passtPath: join(CHECKOUT, 'test/support/network-probe'),
      pastaPath: 'pasta',
      isRoot: true, // in the user namespace that this host is
    },
    {
      ...{ socket: join(folder, 'socket'), pid: join(folder, 'pid'), log: join(folder, 'log') },
      resolvers: given.resolvers ?? resolvers,
      hostPorts: given.hostPorts ?? [],
      closed: closedNetworks({ isPrivateOpen: given.isPrivateOpen ?? true }),
    },
  );
  const host = ['--user', '--map-root-user', '--net', '--mount', process.execPath];
  const child = spawn('unshare', [...host, join(CHECKOUT, 'test/support/fake-host.ts'), ...command], {
    env: { ...process.env, PROBE_STEPS: JSON.stringify(steps), HOST_GETS_ADDRESS: given.hostGetsAddress ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  assert.ok(stdout, stderr);
  return JSON.parse(stdout) as string[];
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-reach-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
