/** Story: the tap of a machine with an address of its own is served as a stream, by a process that has nothing else. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { throughTap } from '../../packages/daemon/src/network/through-tap.ts';
import { findByArgument, killProcess, listProcesses } from '../../packages/daemon/src/platform/processes.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { HOST_WALLS } from '../../packages/daemon/src/platform/walls.ts';
import { CHECKOUT } from '../support/banger-home.ts';
import { Frames } from '../support/frames.ts';

const LINK = join(CHECKOUT, 'host/link/target/x86_64-unknown-linux-gnu/release/banger-link');
const FAKE_VMM = join(CHECKOUT, 'test/support/fake-vmm');
/** Before each frame of a hypervisor's: nothing is asked of its device */
const VIRTIO = Buffer.alloc(12);
const TAP = 'bgr0123456789ab';
const [MACHINE, GATEWAY] = ['10.213.64.16', '10.213.64.1'];
/** As root makes it for the owner, who is root in this namespace */
const MAKE_TAP = [
  `ip tuntap add dev ${TAP} mode tap user 0`,
  `ip addr add ${GATEWAY}/32 dev ${TAP}`,
  `ip link set ${TAP} up`,
  `ip route add ${MACHINE}/32 dev ${TAP}`,
].join(' && ');

test("frames reach the host's own network and come back, and a second machine has none of them", async (t) => {
  const { socket, machine } = await start(t);
  await machine.send(whoHas(GATEWAY));
  const answer = await nextAnswer(machine);
  assert.equal(senderOf(answer), GATEWAY);
  await assert.rejects(once(connect(socket), 'connect'), { code: 'ECONNREFUSED' });
});

test('a hypervisor that takes only a tap device is served in the same way', async (t) => {
  const { folder, socket, logPath, report } = await begin(t, MAKE_TAP);
  assert.equal(await text(report), 'ready', readFileSync(logPath, 'utf8'));
  const plan = { socketPath: socket, device: 'fc0', endedPath: join(folder, 'network.ended') };
  const view = { readable: [LINK, FAKE_VMM], writable: [folder], devices: ['/dev/net/tun'], ownsNetwork: true };
  const walls = await HOST_WALLS.around(Task.background(), view, ['--as-pid-1', '--die-with-parent']);
  const [bwrap = '', ...words] = [...walls, ...throughTap(LINK, plan, [FAKE_VMM, plan.device])];
  const vmm = spawn(bwrap, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => vmm.kill('SIGKILL'));
  const machine = new Frames(vmm.stdout, vmm.stdin);
  assert.equal((await machine.next()).length, 0); // it has its device
  // As a guest does: the hub may not pass on what comes in the moment in which the device is opened.
  const asking = setInterval(() => void machine.send(Buffer.concat([VIRTIO, whoHas(GATEWAY)])), 100);
  t.after(() => clearInterval(asking));
  assert.equal(senderOf(await nextAnswer(machine, VIRTIO.length)), GATEWAY);
  clearInterval(asking);
});

test('a machine that takes nothing is waited for, and that takes no memory', async (t) => {
  const { machine, carrier } = await start(t);
  for (let count = 0; count < 8000; count++) await machine.send(whoHas(GATEWAY));
  const { pid } = carrier();
  const residentKib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  assert.ok(residentKib < 8192, `${residentKib} KiB`);
  assert.equal(senderOf(await nextAnswer(machine)), GATEWAY);
});

test('what serves a tap has no power, no network and no file but those two', async (t) => {
  const { carrier } = await start(t);
  const { pid } = carrier();
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  assert.equal(status.match(/^Cap\w+:\s+0+$/gm)?.length, 5, status);
  assert.match(status, /^NoNewPrivs:\s+1$/m);
  const devices = readFileSync(`/proc/${pid}/net/dev`, 'utf8').trim().split('\n').slice(2);
  assert.deepEqual(
    devices.map((line) => line.trim().split(':')[0]),
    ['lo'],
  );
  assert.equal(existsSync(`/proc/${pid}/root/etc/ld.so.cache`), true);
  assert.equal(existsSync(`/proc/${pid}/root/etc/passwd`), false);
});

test('each end of it is told, and leaves nothing', async (t) => {
  const ends: Record<string, (started: Awaited<ReturnType<typeof start>>) => void> = {
    'the machine has closed its connection': ({ machine }) => void machine.to.end(),
    'the machine sent what is no frame': ({ machine }) => void machine.to.write(Buffer.from([0, 0, 0, 1, 1])),
    'the device is gone': ({ enter }) => {
      assert.equal(spawnSync('nsenter', [...enter, 'ip', 'link', 'del', TAP]).status, 0);
    },
  };
  for (const [word, end] of Object.entries(ends)) {
    const started = await start(t);
    end(started);
    assert.deepEqual(await started.ended, [0, null], word);
    assert.equal(started.printed(), `banger-link: ${word}\n`);
    assert.deepEqual(findByArgument(started.folder), [], word);
  }
});

test('without the tap it does not begin, and makes none though it might', async (t) => {
  const { child, logPath } = await begin(t, 'true');
  assert.deepEqual(await once(child, 'exit'), [1, null]);
  assert.equal(readFileSync(logPath, 'utf8'), `banger-link: ${TAP}: there is no such device\n`);
});

test('a tap that is served already is not opened a second time', async (t) => {
  const { folder, enter } = await start(t);
  const second = [LINK, 'routed', '--tap', TAP, '--socket', join(folder, 'second.sock'), '--', 'true'];
  const { status, stderr } = spawnSync('nsenter', [...enter, ...second], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, new RegExp(`^banger-link: ${TAP}: Device or resource busy.*\\n$`));
});

/** The process that serves, and a machine that is connected to it. */
async function start(t: TestContext) {
  let stream: Socket | undefined;
  t.after(() => stream?.destroy()); // before what it is connected to, which may not have taken the connection yet
  const { folder, socket, logPath, child, report } = await begin(t, MAKE_TAP);
  const ended = once(child, 'exit');
  assert.equal(await text(report), 'ready', readFileSync(logPath, 'utf8'));
  stream = connect(socket);
  await once(stream, 'connect');
  return {
    ...{ folder, socket, ended, machine: new Frames(stream, stream) },
    enter: ['--user', '--net', '--preserve-credentials', '--target', String(child.pid)],
    printed: () => readFileSync(logPath, 'utf8'),
    carrier: () => {
      const [found] = listProcesses(({ argv }) => argv[0] === LINK && argv[1] === 'carry' && argv[3] === socket);
      assert.ok(found);
      return found;
    },
  };
}

/** In a host of its own, where `prepare` runs before. */
async function begin(t: TestContext, prepare: string) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-routed-'));
  const [socket, logPath] = [join(folder, 'network.sock'), join(folder, 'log')];
  const walls = await HOST_WALLS.around(Task.background(), { readable: [LINK] }, ['--as-pid-1']);
  const command = [LINK, 'routed', '--tap', TAP, '--socket', socket, '--', ...walls, LINK, 'carry', TAP, socket];
  const log = openSync(logPath, 'a');
  const words = ['--user', '--map-root-user', '--net', 'sh', '-c', `${prepare} && exec "$@"`, 'sh', ...command];
  const child = spawn('unshare', words, { stdio: ['ignore', log, log, 'pipe'] });
  closeSync(log);
  t.after(async () => {
    for (const found of findByArgument(folder)) await killProcess(found);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await rm(folder, { recursive: true });
  });
  return { folder, socket, logPath, child, report: child.stdio[3] as Readable };
}

const MAC = Buffer.from('525400123456', 'hex');
const bytesOf = (address: string) => Buffer.from(address.split('.').map(Number));

/** A question for an address, by ARP. */
function whoHas(address: string): Buffer {
  const everyone = Buffer.alloc(6, 0xff);
  const header = Buffer.from('0001080006040001', 'hex');
  const question = Buffer.concat([header, MAC, bytesOf(MACHINE), Buffer.alloc(6), bytesOf(address)]);
  return Buffer.concat([everyone, MAC, Buffer.from('0806', 'hex'), question, Buffer.alloc(18)]);
}

/** The host may ask by itself; what it answers is an answer. */
async function nextAnswer(machine: Frames, headerBytes = 0): Promise<Buffer> {
  for (;;) {
    const frame = (await machine.next()).subarray(headerBytes);
    if (frame.readUInt16BE(12) === 0x0806 && frame.readUInt16BE(20) === 2) return frame;
  }
}

function senderOf(frame: Buffer): string {
  return [...frame.subarray(28, 32)].join('.');
}
