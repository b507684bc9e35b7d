import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createNetServer, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { OperationEvent } from '@banger/contract/api/operations.ts';
import { type Client, connect, planRequest } from './connect.ts';
import {
  answerError,
  answerJson,
  begun,
  type FakeRoute,
  sampleVm,
  startFakeDaemon,
  writeEvent,
} from './testing/fake-daemon.ts';

/** More than a socket takes before somebody reads it */
const LARGE_BYTES = 2 ** 21;

test('values go where the route has a place for them', () => {
  assert.deepEqual(planRequest('vmSet', { vm: 'a/b', cpus: 2 }), {
    method: 'PATCH',
    path: '/v1/vms/a%2Fb',
    headers: { 'content-type': 'application/json' },
    body: '{"cpus":2}',
  });
  assert.deepEqual(planRequest('vmLogs', { vm: 'web', follow: true, tail: undefined }), {
    method: 'GET',
    path: '/v1/vms/web/logs?follow=true',
  });
  assert.deepEqual(planRequest('vmExec', { vm: 'web' }).headers, { connection: 'Upgrade', upgrade: 'banger-frames' });
});

test('an answer is the value, and a refusal is the error that the daemon named', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['GET /v1/vms'] = (_, response) => answerJson(response, { vms: [sampleVm] });
  daemon.routes['GET /v1/vms/nope'] = (_, response) => answerError(response, 'VM_NOT_FOUND', 'No vm "nope".');
  const versions: string[] = [];
  const client = connect({ socketPath: daemon.socketPath, onDaemonVersion: (version) => versions.push(version) });
  assert.equal((await client.vmList()).vms[0]?.name, 'web');
  await assert.rejects(client.vmShow({ vm: 'nope' }), { code: 'VM_NOT_FOUND', hint: 'Try something else.' });
  assert.deepEqual(versions, ['0.1.0', '0.1.0']);
});

test('a large answer in chunks arrives whole', async () => {
  await using daemon = await startFakeDaemon();
  const name = 'x'.repeat(3_000_000);
  daemon.routes['GET /v1/vms'] = async (_, response) => {
    const text = JSON.stringify({ vms: [{ ...sampleVm, name }] });
    for (let at = 0; at < text.length; at += 100_001) response.write(text.slice(at, at + 100_001));
    response.end();
  };
  const { vms } = await connect(daemon).vmList();
  assert.equal(vms[0]?.name.length, name.length);
});

test('an answer that is cut off is an error, not half an answer', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['GET /v1/vms'] = (_, response) => {
    response.write('{"vms":');
    setImmediate(() => response.destroy());
  };
  await assert.rejects(connect(daemon).vmList(), { code: 'DAEMON_UNREACHABLE' });
});

test('nobody on the socket is told by name, and a daemon that can be started is asked again', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['GET /v1/vms'] = (_, response) => answerJson(response, { vms: [] });
  const socketPath = `${daemon.socketPath}.none`;
  await assert.rejects(connect({ socketPath }).vmList(), {
    code: 'DAEMON_UNREACHABLE',
    details: { socketPath, errno: 'ENOENT', isUntaken: true },
  });
  let starts = 0;
  const startDaemon = async () => {
    starts++;
    await import('node:fs/promises').then(({ symlink }) => symlink(daemon.socketPath, socketPath));
  };
  assert.deepEqual(await connect({ socketPath, startDaemon }).vmList(), { vms: [] });
  assert.equal(starts, 1);
});

for (const [how, { meet, answer, taken }] of Object.entries<Ending>({
  'has not accepted': { meet: (server) => void server.close(), taken: [] },
  'has read nothing': { meet: (server) => void server.once('connection', (socket) => socket.destroy()), taken: [] },
  'has read half of it': { answer: (socket) => void socket.once('data', () => socket.destroy()), taken: [] },
  'has read all of it': { answer: whenWhole((socket) => socket.destroy()), taken: ['POST'] },
  'begins an answer': { answer: whenWhole((socket) => socket.end('HTTP/1.1 2')), taken: ['GET', 'exec', 'POST'] },
})) {
  test(`what a daemon that ends ${how} goes to the next one where nothing can have happened of it`, async (t) => {
    await using next = await startFakeDaemon();
    next.routes['GET /v1/vms'] = (_, response) => answerJson(response, { vms: [] });
    next.routes['POST /v1/daemon/stop'] = (_, response) => answerJson(response, {});
    const large = { text: 'x'.repeat(LARGE_BYTES) } as never;
    const calls = {
      GET: (client: Client) => client.vmList(),
      exec: (client: Client) => client.vmExec({ vm: 'web' }).then((stream) => stream.close()),
      POST: (client: Client) => client.daemonStop(large),
    };
    for (const [name, call] of Object.entries(calls)) {
      const socketPath = `${next.socketPath}.${name}`;
      const ending = createNetServer((socket) => answer?.(socket.on('error', () => {}))).listen(socketPath);
      t.after(() => ending.close());
      await once(ending, 'listening');
      const startDaemon = async () => {
        rmSync(socketPath, { force: true });
        symlinkSync(next.socketPath, socketPath);
      };
      const calling = call(connect({ socketPath, startDaemon }));
      meet?.(ending);
      if (taken.includes(name)) await assert.rejects(calling, { code: 'DAEMON_UNREACHABLE' }, name);
      else await calling;
    }
  });
}

test('a daemon that says that it ends is asked no more, and a tar that it has had a part of is not sent again', async () => {
  await using ending = await startFakeDaemon();
  await using next = await startFakeDaemon();
  let socketPath = ending.socketPath;
  const client = connect({
    socketPath: () => socketPath,
    startDaemon: async () => {
      socketPath = next.socketPath;
    },
  });
  const refuse: FakeRoute = (_, response) => answerError(response, 'DAEMON_ENDING', 'It ends.');
  ending.routes['POST /v1/daemon/stop'] = refuse;
  ending.routes['PUT /v1/vms/web/files'] = refuse;
  next.routes['POST /v1/daemon/stop'] = (_, response) => answerJson(response, {});
  const tar = (async function* () {
    yield Buffer.alloc(1000);
  })();
  await assert.rejects(client.vmFilesPut({ vm: 'web', path: '/root', tar }), { code: 'DAEMON_ENDING' });
  await client.daemonStop();
  assert.deepEqual(next.requests, ['POST /v1/daemon/stop']);
});

test('an operation gives its events and its result', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['POST /v1/vms/web/start'] = (_, response) => {
    writeEvent(response, begun('op1', 'web'));
    writeEvent(response, { is: 'step', step: 'boot', atMs: 0 });
    writeEvent(response, { is: 'done', result: sampleVm, durationMs: 5 });
    response.end();
  };
  const client = connect(daemon);
  const seen: string[] = [];
  const vm = await client.vmStart({ vm: 'web' }).result((event) => seen.push(event.is));
  assert.deepEqual(seen, ['begun', 'step', 'done']);
  assert.equal(vm.name, 'web');
  const events: OperationEvent[] = [];
  for await (const event of client.vmStart({ vm: 'web' })) events.push(event);
  assert.equal(events.length, 3);
});

test('a cancelled operation is asked to end by its id, and fails with the reason', async () => {
  await using daemon = await startFakeDaemon();
  const cancelled = Promise.withResolvers<void>();
  daemon.routes['POST /v1/vms/web/start'] = async (_, response) => {
    writeEvent(response, begun('op7', 'web'));
    await cancelled.promise;
    writeEvent(response, { is: 'failed', error: { code: 'CANCELLED', message: 'Cancelled.' }, durationMs: 5 });
    response.end();
  };
  daemon.routes['DELETE /v1/operations/op7'] = (_, response) => {
    answerJson(response, {});
    cancelled.resolve();
  };
  const operation = connect(daemon).vmStart({ vm: 'web' });
  const result = operation.result();
  await operation.cancel();
  await assert.rejects(result, { code: 'CANCELLED' });
});

test('the connection of an operation stays open as a lease until it is closed', async () => {
  await using daemon = await startFakeDaemon();
  const leaseEnded = Promise.withResolvers<void>();
  daemon.routes['POST /v1/vms'] = (_, response) => {
    response.on('close', leaseEnded.resolve);
    writeEvent(response, begun('op1', 'web'));
    writeEvent(response, { is: 'done', result: sampleVm, durationMs: 5 });
  };
  const creating = connect(daemon).vmCreate({ ephemeral: true });
  await creating.result();
  const stillOpen = await Promise.race([leaseEnded.promise.then(() => false), delay(30, true)]);
  assert.ok(stillOpen);
  creating.close();
  await leaseEnded.promise;
});

test('an operation whose daemon goes away fails', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['POST /v1/vms/web/start'] = (_, response) => {
    writeEvent(response, begun('op1', 'web'));
    setImmediate(() => response.destroy());
  };
  await assert.rejects(connect(daemon).vmStart({ vm: 'web' }).result(), { code: 'DAEMON_UNREACHABLE' });
});

test('frames go both ways on an upgraded connection', async () => {
  await using daemon = await startFakeDaemon();
  const stream = await connect(daemon).vmExec({ vm: 'web' });
  await stream.start({ argv: ['cat'], env: {}, cwd: null, user: null, tty: null, stdin: true, keep: false });
  const sent = Buffer.alloc(1_000_000, 'abc');
  stream.stdin(sent).then(() => stream.endStdin());
  const got: Uint8Array[] = [];
  const kinds = new Set<string>();
  for await (const event of stream.events()) {
    kinds.add(event.is);
    if (event.is === 'stdout') got.push(event.bytes);
  }
  assert.ok(Buffer.concat(got).equals(sent));
  assert.deepEqual([...kinds], ['started', 'stdout', 'exit']);
});

test('a tar stream goes up in chunks, and a refusal in its middle is heard', async () => {
  await using daemon = await startFakeDaemon();
  let got = 0;
  daemon.routes['PUT /v1/vms/web/files'] = (_, response, body) => {
    got = body.length;
    response.statusCode = 204;
    response.end();
  };
  const client = connect(daemon);
  await client.vmFilesPut({ vm: 'web', path: '/root', tar: someBytes() });
  assert.equal(got, 4_000_000);
  assert.equal(daemon.requests.at(-1), 'PUT /v1/vms/web/files?path=%2Froot');
  await assert.rejects(client.vmFilesPut({ vm: 'other', path: '/root', tar: someBytes() }), {
    code: 'ROUTE_NOT_FOUND',
  });
  await assert.rejects(client.vmFilesPut({ vm: 'web', path: '/root', tar: failing() }), { message: 'unreadable' });

  async function* someBytes() {
    for (let count = 0; count < 40; count++) yield Buffer.alloc(100_000);
  }
  // biome-ignore lint/correctness/useYield: it fails before there is anything to give
  async function* failing(): AsyncGenerator<Buffer> {
    throw new Error('unreadable');
  }
});

test('a tar that breaks off when its operation has begun is cut, and its own fault is told', async () => {
  await using daemon = await startFakeDaemon();
  const cut = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    writeEvent(response, begun('op1', 'mine'));
    request.once('error', () => cut.resolve()).resume();
  });
  const socketPath = `${daemon.socketPath}.early`;
  server.listen(socketPath);
  await once(server, 'listening');
  const importing = connect({ socketPath }).imagePut({ image: 'mine', tar: breaking() });
  const hasBegun = Promise.withResolvers<void>();
  const result = importing.result((event) => event.is === 'begun' && hasBegun.resolve());
  await assert.rejects(result, { code: 'DISK_FAILED' });
  await cut.promise;
  server.close();

  async function* breaking() {
    yield Buffer.alloc(1000);
    await hasBegun.promise;
    throw Object.assign(new Error('i/o error, read'), { code: 'EIO' });
  }
});

test('a call can be given up', async () => {
  await using daemon = await startFakeDaemon();
  daemon.routes['GET /v1/vms'] = () => {}; // never answers
  const stopping = new AbortController();
  const call = connect(daemon).vmList({}, { signal: stopping.signal });
  setImmediate(() => stopping.abort());
  await assert.rejects(call, { code: 'CANCELLED' });
});

type Ending = {
  /** Right after the call */
  meet?: (server: Server) => void;
  answer?: (socket: Socket) => void;
  /** The calls that are not made again */
  taken: string[];
};

/** Once a whole request is there. */
function whenWhole(then: (socket: Socket) => void): (socket: Socket) => void {
  return (socket) => {
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
      const [head = '', body = ''] = text.split('\r\n\r\n', 2);
      const bodyBytes = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
      if (text.includes('\r\n\r\n') && body.length === bodyBytes) then(socket);
    });
  };
}
