import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createFakeAgent } from '../../../../test/support/fake-agent.ts';
import { wordsOf } from '../../../../test/support/fake-commands.ts';
import type { FakeFault } from '../../../../test/support/fake-faults.ts';
import { Task } from '../platform/task.ts';
import { testAgent } from './agent-suite.ts';
import { connectGuest } from './guest.ts';

const task = Task.background();

testAgent('the fake agent', {
  dial: dialFake,
  folders: async () => ['/root', '/tmp'],
  dialStill: async (t) => {
    const image = await temporaryFolder(t);
    const folder = await temporaryFolder(t);
    return { line: await dialFake(t, null, { folder, imageFolder: image }), root: join(folder, 'fake-root'), image };
  },
});

test('what listens in the guest is told', async (t) => {
  const { ports, isCut } = await (await connectFake(t)).ports(task);
  assert.equal(isCut, false);
  assert.deepEqual(ports[0], { protocol: 'tcp', port: 22, address: '0.0.0.0', pid: 312, process: 'sshd' });
});

test('what the fake runs of an image is what the sample says', () => {
  const path = new URL('../../../contract/vectors/image-config.json', import.meta.url);
  const { config, runs } = JSON.parse(readFileSync(path, 'utf8'));
  for (const { start, argv } of runs) assert.deepEqual(wordsOf(start, config), argv, JSON.stringify(start));
});

test('a request ends with the task that made it', async (t) => {
  const guest = await connectFake(t, 'hang-on-exec');
  await assert.rejects(guest.run(task.withSignal(AbortSignal.timeout(20)), ['true']), { code: 'TIMED_OUT' });
  assert.equal(guest.isClosed, false);
});

test('frames that are none, and an agent that goes away, are told apart', async (t) => {
  await assert.rejects((await connectFake(t, 'bad-frames')).run(task, ['true']), { code: 'AGENT_PROTOCOL' });
  const dying = await connectFake(t, 'agent-dies');
  await assert.rejects(dying.run(task, ['true']), { code: 'VM_LOST' });
  await dying.closed;
  assert.equal(dying.isClosed, true);
  await assert.rejects(dying.sessions(task), { code: 'VM_LOST' });
});

test('a flood before hello is given up, and garbage after it ends the session', async (t) => {
  await assert.rejects(connectFake(t, 'flood-before-ready'), { code: 'AGENT_PROTOCOL' });
  const guest = await connectFake(t, 'garbage-after-ready');
  await assert.rejects(guest.sessions(task), { code: 'VM_LOST' });
});

test('headers without end are not collected', async (t) => {
  // SETTINGS, then HEADERS of stream 1 that go on in CONTINUATION frames for ever.
  const frame = (type: number, flags: number, stream: number, body: Buffer) =>
    Buffer.concat([Buffer.from([0, body.length >> 8, body.length & 255, type, flags, 0, 0, 0, stream]), body]);
  const field = Buffer.concat([
    Buffer.from([0, 4]),
    Buffer.from('name'),
    Buffer.from([0x7f, 0xa1, 0x0f]),
    Buffer.alloc(2080, 'v'),
  ]);
  const guest = await connectRaw(t, (socket) => {
    socket.write(frame(4, 0, 0, Buffer.alloc(0)));
    socket.write(frame(1, 0, 1, Buffer.from([0x88])));
    const more = () => {
      while (!socket.destroyed && socket.write(frame(9, 0, 1, field)));
    };
    socket.on('drain', more);
    setTimeout(more, 50);
  });
  await assert.rejects(guest.sessions(task), { code: 'VM_LOST' });
});

async function connectFake(t: TestContext, fault: FakeFault | null = null) {
  return connectGuest(task, await dialFake(t, fault));
}

type Place = { folder?: string; imageFolder?: string };

async function dialFake(t: TestContext, fault: FakeFault | null = null, { folder: given, ...place }: Place = {}) {
  const folder = given ?? (await temporaryFolder(t));
  const faults = { fault, bootMs: 0, afterMs: 0 };
  const parts = {
    faults,
    ...place,
    diskPath: null,
    runtimePath: join(folder, 'agent.sock'),
    power: { end: () => {}, portChanged: () => {} },
  };
  return dialTo(t, folder, createFakeAgent(parts).serve);
}

/** Answers hello, and then whatever `play` does. */
async function connectRaw(t: TestContext, play: (socket: Socket) => void) {
  const line = await dialTo(t, await temporaryFolder(t), (socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      const nonce = bytes.toString().split(' ')[1];
      const info = { protocol: 1, version: '0', bootId: 'b', init: 'agent', kernel: 'k' };
      socket.write(`BANGER-READY ${nonce} ${JSON.stringify(info)}\n`);
      socket.once('data', () => play(socket.resume()));
    });
  });
  return connectGuest(task, line);
}

async function dialTo(t: TestContext, folder: string, serve: (socket: Socket) => void) {
  const server = createServer(serve).listen(join(folder, 'agent.sock'));
  await once(server, 'listening');
  const socket = connect(join(folder, 'agent.sock'));
  t.after(() => {
    socket.destroy();
    server.close();
  });
  return socket;
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-guest-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
