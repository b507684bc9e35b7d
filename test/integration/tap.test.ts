/** Story: a hypervisor that takes only a tap device has the network of a stream, and each side may end first. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { networkCommand } from '../../packages/daemon/src/network/network-command.ts';
import { closedNetworks } from '../../packages/daemon/src/network/reach.ts';
import { type TapPlan, throughTap } from '../../packages/daemon/src/network/through-tap.ts';
import { readTraffic } from '../../packages/daemon/src/platform/device-traffic.ts';
import { findByArgument, listProcesses } from '../../packages/daemon/src/platform/processes.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { watchForContent } from '../../packages/daemon/src/platform/unix-sockets.ts';
import { HOST_WALLS } from '../../packages/daemon/src/platform/walls.ts';
import { CHECKOUT } from '../support/banger-home.ts';
import { GUEST_MAC, largeSegment, readSegment } from '../support/fake-segments.ts';
import { HOST_PORT, SECOND_HOST_ADDRESS, WORLD_PORT } from '../support/fake-world.ts';
import { Frames } from '../support/frames.ts';
import type { ProbeStep } from '../support/network-probe.ts';

const LINK = join(CHECKOUT, 'host/link/target/x86_64-unknown-linux-gnu/release/banger-link');
const FAKE_VMM = join(CHECKOUT, 'test/support/fake-vmm');
/** Before each frame of the hypervisor's: nothing is asked of the device */
const PLAIN = Buffer.alloc(12);

const APART = '--unshare-user --uid 0 --gid 0 --unshare-net --unshare-pid --as-pid-1 --die-with-parent'.split(' ');
const POWERS = '--cap-drop ALL --cap-add CAP_NET_ADMIN --cap-add CAP_SETPCAP'.split(' ');
const NAMESPACE = [...APART, ...POWERS, '--dev-bind', '/', '/', '--'];
const HOST_NETWORK = NAMESPACE.filter((word) => word !== '--unshare-net');
const WITHOUT_TUN = [...APART, ...POWERS, '--ro-bind', '/', '/', '--dev', '/dev', '--'];

test('frames pass both ways as they are, from the shortest to the longest, nobody adds any, and they are counted', async (t) => {
  const { vmm, passt, hypervisor } = await machineOf(t);
  const before = readTraffic(hypervisor().pid, 'fc0');
  const lengths = [60, 1514, 9000, 65_535];
  for (const length of lengths) {
    const [sent, answer] = [frameOf(length), frameOf(length)];
    await vmm.send(Buffer.concat([PLAIN, sent]));
    assert.deepEqual(await passt.next(), sent);
    await passt.send(answer);
    assert.deepEqual((await vmm.next()).subarray(PLAIN.length), answer);
  }
  await vmm.send(Buffer.concat([PLAIN, frameOf(100)]));
  assert.equal((await passt.next()).length, 100);
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  // As the host has it: what its device receives, the guest has sent.
  const { receivedBytes = 0, sentBytes = 0 } = before ?? {};
  assert.deepEqual(readTraffic(hypervisor().pid, 'fc0'), {
    receivedBytes: receivedBytes + bytes + 100,
    sentBytes: sentBytes + bytes,
  });
});

test('a large segment that was left to the network card arrives as frames that are whole', async (t) => {
  const { vmm, passt } = await machineOf(t);
  const payload = randomBytes(60_001);
  await vmm.send(largeSegment(payload, 1460));
  const received: Buffer[] = [];
  for (let bytes = 0; bytes < payload.length; ) {
    const frame = await passt.next();
    const segment = readSegment(frame);
    assert.ok(frame.length <= 1514 && segment?.first === bytes);
    received.push(segment.payload);
    bytes += segment.payload.length;
  }
  assert.deepEqual(Buffer.concat(received), payload);
});

test('a passt that takes nothing for a while is heard all the same, and that takes no memory', async (t) => {
  const { vmm, passt, relay } = await machineOf(t);
  for (let count = 0; count < 2000; count++) await vmm.send(Buffer.concat([PLAIN, frameOf(1514)]));
  const answer = frameOf(1514);
  await passt.send(answer);
  assert.deepEqual((await vmm.next()).subarray(PLAIN.length), answer);
  const residentKib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${relay().pid}/status`, 'utf8'))?.[1]);
  assert.ok(residentKib < 8192, `${residentKib} KiB`);
  // The device loses what does not fit into its queue, so the last one is sent until it gets through.
  const sending = setInterval(() => void vmm.send(Buffer.concat([PLAIN, frameOf(100)])), 50);
  t.after(() => clearInterval(sending));
  while ((await passt.next()).length === 1514);
});

test('a hypervisor that takes nothing for a while has lost nothing: passt waits', async (t) => {
  const { vmm, passt, relay, hypervisor } = await machineOf(t);
  process.kill(hypervisor().pid, 'SIGSTOP');
  const sent = Array.from({ length: 3000 }, () => frameOf(1514));
  const sending = (async () => {
    for (const frame of sent) await passt.send(frame);
  })();
  const { pid } = relay();
  const framesIn = () => Number(/relay: +\d+ +(\d+)/.exec(readFileSync(`/proc/${pid}/net/dev`, 'utf8'))?.[1]);
  await until(() => framesIn() >= 1000);
  process.kill(hypervisor().pid, 'SIGCONT');
  for (const [at, frame] of sent.entries()) {
    const isSame = (await vmm.next()).subarray(PLAIN.length).equals(frame);
    assert.ok(isSame, `frame ${at}`);
  }
  await sending;
});

test('a guest behind it reaches what it would by a stream, and no more', async (t) => {
  const { folder, plan } = await planOf(t);
  const shut = ['127.0.0.1', '10.0.2.2', SECOND_HOST_ADDRESS].map((address) => ({ shut: address, port: HOST_PORT }));
  const steps: ProbeStep[] = [
    { name: 'a.example', kind: 'A' },
    { tcp: '198.51.100.7', port: WORLD_PORT },
    { udp: '198.51.100.7', port: WORLD_PORT },
    ...shut,
  ];
  const answers = ['203.0.113.1', 'the world at 198.51.100.7', 'the world'];
  assert.deepEqual(await probe(t, folder, plan, steps), [...answers, ...shut.map(() => 'nothing')]);
});

test('neither the hypervisor nor what carries its frames has any power', async (t) => {
  const { relay, hypervisor } = await machineOf(t);
  for (const { pid } of [relay(), hypervisor()]) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    assert.equal(status.match(/^Cap\w+:\s+0+$/gm)?.length, 5, status);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
  }
});

test('a passt that ends is told by a file and leaves no process, and the machine goes on', async (t) => {
  // Perl, which fake-vmm is written in, would leave a zombie by itself.
  const { connection, hypervisor, untilItRuns, endedPath } = await start(t, '/usr/bin/sleep', 'infinity');
  await untilItRuns();
  const ended = watchForContent(endedPath);
  (await connection).destroy();
  await ended.appeared;
  ended.stop();
  assert.equal(await readFile(endedPath, 'utf8'), 'the network has closed its connection\n');
  const { pid } = hypervisor();
  await until(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8') === '');
  assert.ok(hypervisor());
});

test('what is no frame ends the network, and the machine goes on', async (t) => {
  const { passt, hypervisor, endedPath } = await machineOf(t);
  const ended = watchForContent(endedPath);
  passt.to.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 1]));
  await ended.appeared;
  ended.stop();
  assert.equal(await readFile(endedPath, 'utf8'), 'the network sent what is no frame\n');
  assert.ok(hypervisor());
});

test('a hypervisor that is killed takes all of it along, and passt sees the end', async (t) => {
  const { folder, passt, hypervisor, endedPath } = await machineOf(t);
  process.kill(hypervisor().pid, 'SIGKILL');
  await assert.rejects(passt.next(), /it has ended/);
  await until(() => findByArgument(folder).length === 0);
  assert.equal(existsSync(endedPath), false);
});

test('what goes wrong before the hypervisor runs is one line, and exit code 1', async (t) => {
  const { folder, plan } = await planOf(t);
  const failing = async (namespace: string[], device: string, program: string) => {
    const command = [...namespace, ...throughTap(LINK, { ...plan, device }, [program])];
    const child = spawn('bwrap', command, { stdio: ['ignore', 'ignore', 'pipe'] });
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    return `${code} ${said}`;
  };
  assert.match(await failing(WITHOUT_TUN, 'fc0', 'true'), /^1 banger-link: fc0: \/dev\/net\/tun: [^\n]+\n$/);
  assert.match(await failing(HOST_NETWORK, 'fc0', 'true'), /^1 banger-link: this is no network namespace[^\n]+\n$/);
  assert.match(await failing(NAMESPACE, 'a-name-of-16-byt', 'true'), /^1 banger-link: a-name-of-16-byt: [^\n]+\n$/);
  assert.match(await failing(NAMESPACE, 'fc0', 'true'), /^1 banger-link: \S+\/network.sock: No such file[^\n]+\n$/);
  await listen(t, plan.socketPath);
  const missing = join(folder, 'missing');
  assert.match(await failing(NAMESPACE, 'fc0', missing), /^1 banger-link: \S+\/missing: No such file[^\n]+\n$/);
});

/** A hypervisor that has its device, beside a passt that is this test, once frames pass between the two. */
async function machineOf(t: TestContext) {
  const { child, connection, ...machine } = await start(t, FAKE_VMM, 'fc0');
  const vmm = new Frames(child.stdout, child.stdin);
  assert.equal((await vmm.next()).length, 0); // it has its device
  const socket = await connection;
  const passt = new Frames(socket, socket);
  await untilTheyPass((frame) => vmm.send(Buffer.concat([PLAIN, frame])), passt);
  await untilTheyPass((frame) => passt.send(frame), vmm);
  return { ...machine, vmm, passt };
}

/** The hub may not pass on what comes in the moment in which the device is opened. Nothing of it is left on the way. */
async function untilTheyPass(send: (frame: Buffer) => Promise<void>, to: Frames): Promise<void> {
  const trying = setInterval(() => void send(frameOf(60)), 20);
  await to.next();
  clearInterval(trying);
  const last = frameOf(60);
  await send(last);
  while (!(await to.next()).subarray(-last.length).equals(last));
}

async function start(t: TestContext, program: string, word: string) {
  const { folder, plan } = await planOf(t);
  const connection = once(await listen(t, plan.socketPath), 'connection').then(([socket]) => socket as Socket);
  const link = join(folder, 'vmm'); // by which it is found
  await symlink(program, link);
  const view = { readable: [LINK, FAKE_VMM], writable: [folder], devices: ['/dev/net/tun'], ownsNetwork: true };
  const walls = await HOST_WALLS.around(Task.background(), view, ['--as-pid-1', '--die-with-parent']);
  const [bwrap = '', ...words] = [...walls, ...throughTap(LINK, plan, [link, word])];
  const child = spawn(bwrap, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(async () => {
    child.kill('SIGKILL');
    await until(() => findByArgument(folder).length === 0);
  });
  const MAX_WORDS = 4; // what is around them has more, and ends with the same ones
  const findAll = (...last: string[]) =>
    listProcesses(
      ({ argv }) => argv.length <= MAX_WORDS && last.every((each, at) => argv.at(at - last.length) === each),
    );
  const find = (...last: string[]) => {
    const [found] = findAll(...last);
    assert.ok(found);
    return found;
  };
  return {
    ...{ folder, child, connection, endedPath: plan.endedPath },
    ...{ relay: () => find(plan.device, plan.endedPath), hypervisor: () => find(link, word) },
    /** The relay connects before what is around it becomes the hypervisor. */
    untilItRuns: () => until(() => findAll(link, word).length > 0),
  };
}

/** Takes the steps in a kernel that is a guest, beside a real passt on the host of fake-host.ts. */
async function probe(t: TestContext, folder: string, plan: TapPlan, steps: ProbeStep[]): Promise<string[]> {
  const files = { socket: plan.socketPath, pid: join(folder, 'pid'), log: join(folder, 'log') };
  const resolvers = join(folder, 'resolv.conf');
  await writeFile(resolvers, 'nameserver 203.0.113.1\n');
  const network = networkCommand(
    { linkPath: LINK, passtPath: 'passt', pastaPath: 'pasta', isRoot: true }, // in the user namespace that the host is
    { ...files, resolvers, hostPorts: [], closed: closedNetworks({ isPrivateOpen: false }) },
  );
  const host = ['--user', '--map-root-user', '--net', '--mount', process.execPath];
  const ready = watchForContent(files.pid);
  const running = spawn('unshare', [...host, join(CHECKOUT, 'test/support/fake-host.ts'), ...network], {
    stdio: 'ignore',
  });
  const ended = once(running, 'exit');
  t.after(() => running.kill('SIGKILL'));
  await ready.appeared;
  ready.stop();
  const guest = [FAKE_VMM, plan.device, join(CHECKOUT, 'test/support/network-probe')];
  const vmm = spawn('bwrap', [...NAMESPACE, ...throughTap(LINK, plan, guest)], {
    env: { ...process.env, PROBE_STEPS: JSON.stringify(steps) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const printed = await text(vmm.stdout);
  await ended; // as passt does with its one connection
  return JSON.parse(printed) as string[];
}

async function planOf(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-tap-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [socketPath, endedPath] = [join(folder, 'network.sock'), join(folder, 'network.ended')];
  return { folder, plan: { socketPath, device: 'fc0', endedPath } };
}

async function listen(t: TestContext, path: string): Promise<Server> {
  const server = createServer().listen(path);
  server.on('connection', (socket) => socket.on('error', () => {})); // the other side may have ended
  t.after(() => server.close());
  await once(server, 'listening');
  return server;
}

/** From the guest to everyone, with something in it */
function frameOf(length: number): Buffer {
  return Buffer.from([...Array(6).fill(0xff), ...GUEST_MAC, 0x88, 0xb5, ...randomBytes(length - 14)]);
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(10);
}
