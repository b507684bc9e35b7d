import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeFrame, FRAME, FrameReader, textOf } from '@banger/contract/guest/frames.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import { createFakeAgent } from '../../../../test/support/fake-agent.ts';
import type { FakeFault } from '../../../../test/support/fake-faults.ts';
import { Task } from '../platform/task.ts';
import { connectGuest } from './guest.ts';

const task = Task.background();
const START: ExecStart = { argv: [], env: {}, cwd: null, user: null, tty: null, stdin: true, keep: false };

test('a command runs, and its exit code, output and errors come back apart', async (t) => {
  const guest = await connectFake(t);
  const { exit, stdout, stderr } = await guest.run(task, ['sh', '-c', 'echo out; echo err >&2; exit 3']);
  assert.deepEqual([exit, stdout.toString(), stderr.toString()], [{ code: 3 }, 'out\n', 'err\n']);
});

test('a command that is killed by a signal says which', async (t) => {
  const guest = await connectFake(t);
  assert.deepEqual((await guest.run(task, ['sh', '-c', 'kill -TERM $$'])).exit, { signal: 'TERM' });
});

test('megabytes go in and come out as they were, and output beyond the bound is dropped', async (t) => {
  const guest = await connectFake(t);
  const stdin = randomBytes(8 * 1024 * 1024);
  const { stdout } = await guest.run(task, ['cat'], { stdin, maxOutputBytes: 32 * 1024 * 1024 });
  assert.equal(stdout.equals(stdin), true);
  const bounded = await guest.run(task, ['cat'], { stdin, maxOutputBytes: 1000 });
  assert.equal(bounded.stdout.equals(stdin.subarray(0, 1000)), true);
});

test('what the agent refuses becomes an error of ours', async (t) => {
  const guest = await connectFake(t);
  await assert.rejects(guest.run(task, ['no-such-command']), { code: 'COMMAND_NOT_FOUND' });
  await assert.rejects(guest.run(task, ['/etc/passwd']), { code: 'COMMAND_NOT_EXECUTABLE' });
  await assert.rejects(guest.run(task, ['true'], { cwd: '/nowhere' }), { code: 'GUEST_PATH' });
  await assert.rejects(guest.run(task, ['true'], { user: 'nobody' }), { code: 'GUEST_REFUSED' });
  await assert.rejects(guest.statPath(task, '/nowhere'), { code: 'GUEST_PATH' });
  await assert.rejects(guest.readTar(task, '/nowhere'), { code: 'GUEST_PATH' });
  await assert.rejects(guest.endSession(task, 'none'), { code: 'SESSION_NOT_FOUND' });
  await assert.rejects(guest.signalSession(task, 'none', 'INT'), { code: 'SESSION_NOT_FOUND' });
  await assert.rejects(guest.run(task, ['true', 'x'.repeat(200_000)]), { code: 'COMMAND_TOO_LONG' });
});

test('a command as long as Linux takes it goes in', async (t) => {
  const guest = await connectFake(t);
  const words = Array.from({ length: 16 }, () => 'é"'.repeat(40_000));
  const { stdout } = await guest.run(task, ['sh', '-c', 'printf %s "$@" | wc -c', 'sh', ...words]);
  assert.equal(stdout.toString().trim(), String(16 * 120_000));
});

test('a connection into the guest carries bytes both ways after either side has ended', async (t) => {
  const guest = await connectFake(t);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume().once('end', () => socket.end(`got ${socket.bytesRead}`));
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  t.after(() => server.close());
  const connection = await guest.connect(task, port);
  connection.end(Buffer.alloc(3_000_000));
  assert.equal(Buffer.concat(await connection.toArray()).toString(), 'got 3000000');
  server.close();
  await once(server, 'close');
  await assert.rejects(guest.connect(task, port), { code: 'PORT_REFUSED' });
});

test('what listens in the guest is told', async (t) => {
  const { ports, isCut } = await (await connectFake(t)).ports(task);
  assert.equal(isCut, false);
  assert.deepEqual(ports[0], { protocol: 'tcp', port: 22, address: '0.0.0.0', pid: 312, process: 'sshd' });
});

test('a kept session is listed, attached to with its scrollback, taken over, and ended', async (t) => {
  const guest = await connectFake(t);
  const first = await guest.exec(task, { ...START, argv: ['sh', '-c', 'echo hello; cat'], keep: true });
  await once(first, 'data');
  first.destroy();
  const [session] = await guest.sessions(task);
  assert.ok(session);
  const second = await guest.attach(task, session.id);
  const third = await guest.attach(task, session.id);
  await once(second.resume(), 'close');
  third.write(encodeFrame(FRAME.STDIN, 'more\n'));
  third.write(encodeFrame(FRAME.STDIN_END));
  const frames = new FrameReader().push(Buffer.concat(await third.toArray()));
  const output = frames.filter(({ type }) => type === FRAME.STDOUT).map(({ payload }) => textOf(payload));
  assert.equal(output.join(''), 'hello\nmore\n');
  assert.equal(frames.at(-1)?.type, FRAME.EXIT);
  assert.deepEqual(await guest.sessions(task), []);
});

test('a command ends when its stream is destroyed', async (t) => {
  const guest = await connectFake(t);
  const stream = await guest.exec(task, { ...START, argv: ['sleep', '1000'] });
  await once(stream, 'data');
  stream.destroy();
  while ((await guest.sessions(task)).length > 0);
});

test('files go both ways as tar streams, and a bad one is refused', async (t) => {
  const guest = await connectFake(t);
  await guest.run(task, ['sh', '-c', 'echo content > file']);
  const { kind, tar } = await guest.readTar(task, '/root/file');
  assert.equal(kind, 'file');
  await guest.writeTar(task, '/tmp', tar);
  assert.equal((await guest.statPath(task, '/tmp/file')).sizeBytes, 8);
  const again = (await guest.readTar(task, '/tmp/file')).tar;
  await assert.rejects(guest.writeTar(task, '/nowhere', again), { code: 'GUEST_PATH' });
  const stdin = Buffer.alloc(300_000, 'no tar ');
  await guest.run(task, ['sh', '-c', 'cat > bad'], { stdin });
  const broken = join(await temporaryFolder(t), 'bad.tar');
  await writeFile(broken, stdin);
  await assert.rejects(guest.writeTar(task, '/tmp', createReadStream(broken)), { code: 'GUEST_REFUSED' });
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
  const folder = await temporaryFolder(t);
  const faults = { fault, bootMs: 0, afterMs: 0 };
  const parts = {
    faults,
    diskPath: null,
    runtimePath: join(folder, 'agent.sock'),
    power: { end: () => {}, portChanged: () => {} },
  };
  return connectTo(t, folder, createFakeAgent(parts).serve);
}

/** Answers hello, and then whatever `play` does. */
async function connectRaw(t: TestContext, play: (socket: Socket) => void) {
  return connectTo(t, await temporaryFolder(t), (socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      const nonce = bytes.toString().split(' ')[1];
      const info = { protocol: 1, version: '0', bootId: 'b', init: 'agent', kernel: 'k' };
      socket.write(`BANGER-READY ${nonce} ${JSON.stringify(info)}\n`);
      socket.once('data', () => play(socket.resume()));
    });
  });
}

async function connectTo(t: TestContext, folder: string, serve: (socket: Socket) => void) {
  const server = createServer(serve).listen(join(folder, 'agent.sock'));
  await once(server, 'listening');
  const socket = connect(join(folder, 'agent.sock'));
  t.after(() => {
    socket.destroy();
    server.close();
  });
  return connectGuest(task, socket);
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-guest-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
