/** What reaches the socket before any service hears of it: odd, cut off, too much, or from somebody who may not call. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { ROUTES, type RouteName } from '@banger/contract/api/routes.ts';
import { SCHEMAS } from '@banger/contract/api/schemas.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { createOperations } from '../operations/operations.ts';
import type { Log } from '../platform/log.ts';
import type { Task } from '../platform/task.ts';
import type { Vms } from '../vms/vms.ts';
import { listen } from './api-server.ts';
import { createApp } from './app.ts';
import type { Call, Handlers } from './handlers.ts';
import { imageHandlers } from './images.ts';
import { matchRoute } from './match-route.ts';
import { createUpgrade } from './upgrades.ts';

/** Shorter than in life, so that the tests need not wait */
const limits = { headMs: 1000, bodyMs: 1000, firstFrameMs: 1000, checkEveryMs: 100, connections: 4, unanswered: 16 };
const HOST = 'host: banger\r\n';
const quietLog = { info: () => {}, warn: () => {} } as unknown as Log;

for (const route of Object.values(ROUTES)) {
  const path = route.path.replaceAll(/:\w+/g, '%ff');
  if (path === route.path) continue;
  test(`a path that is not UTF-8 is the caller's fault: ${route.method} ${route.path}`, async (t) => {
    const api = await serve(t);
    const upgrade = { frames: 'banger-frames', tcp: 'banger-tcp' }[route.answers as string];
    for (const as of upgrade ? ['', `connection: upgrade\r\nupgrade: ${upgrade}\r\n`] : ['']) {
      const answer = await api.ask(`${route.method} ${path} HTTP/1.1\r\n${HOST}${as}\r\n`);
      assert.deepEqual([answer.status, answer.code], [400, 'BAD_REQUEST']);
    }
  });
}

test('every route is found by its own path, as itself', () => {
  for (const [name, { method, path }] of Object.entries(ROUTES)) {
    assert.equal(matchRoute({ method, url: path.replaceAll(':', '') }).name, name);
  }
  assert.deepEqual(matchRoute({ method: 'GET', url: '/v1/vms/a%2Fb/logs?tail=3&tail=4' }), {
    name: 'vmLogs',
    params: { vm: 'a/b' },
    query: { tail: '4' },
  });
});

for (const url of ['/v1/vms//logs', '/v1/vms/', '//v1/vms', 'http://banger/v1/vms', '/v1/vms/x/../y', '*', '/V1/vms']) {
  test(`there is no route ${url}`, async (t) => {
    const answer = await (await serve(t)).ask(`GET ${url} HTTP/1.1\r\n${HOST}\r\n`);
    assert.deepEqual([answer.status, answer.code], [404, 'ROUTE_NOT_FOUND']);
  });
}

for (const [who, headers] of [
  ['a web page', `${HOST}origin: http://localhost:3000\r\n`],
  ['a page without a name', `${HOST}origin: null\r\n`],
  ['a name that was made to lead here', 'host: evil.example\r\n'],
  ['another port of this host', 'host: localhost:80\r\n'],
  ['an empty host', 'host: \r\n'],
  ['two hosts', `${HOST}host: evil.example\r\n`],
  ['the same host twice', `${HOST}${HOST}`],
  ['a web page behind many headers', `${HOST}${'a:\r\n'.repeat(3000)}origin: null\r\n`],
] as const) {
  test(`the daemon does not answer ${who}`, async (t) => {
    const api = await serve(t);
    const plain = await api.ask(`GET /v1/vms HTTP/1.1\r\n${headers}\r\n`);
    assert.deepEqual([plain.status, plain.code], [403, 'CALLER_REFUSED']);
    const upgraded = await api.ask(
      `POST /v1/vms/web/exec HTTP/1.1\r\n${headers}connection: upgrade\r\nupgrade: banger-frames\r\n\r\n`,
    );
    assert.deepEqual([upgraded.status, upgraded.code], [403, 'CALLER_REFUSED']);
    assert.deepEqual(api.calls, []);
  });
}

for (const [what, request, inWords] of [
  ['a body that is too large', post('/v1/vms', 'x'.repeat(300_000)), /larger than/],
  ['a body that says it is small, and is not', chunked('/v1/vms', 'x'.repeat(300_000)), /larger than/],
  ['a large body where none belongs', `GET /v1/vms HTTP/1.1\r\n${HOST}${lengthOf('x'.repeat(300_000))}`, /larger than/],
  ['a body that is no JSON', post('/v1/vms', '{'), /not JSON/],
  ['a body with a key too many', post('/v1/vms', '{"imgae":"x"}'), /imgae/],
  ['a body where there is none', post('/v1/vms/web/kill', '{"now":true}'), /now/],
  ['a query with a key too many', `GET /v1/vms?x=1 HTTP/1.1\r\n${HOST}\r\n`, /x/],
  ['a query where something else is wanted', `GET /v1/vms/web/logs?tail=-1 HTTP/1.1\r\n${HOST}\r\n`, /tail/],
  ['no HTTP', 'SSH-2.0-OpenSSH_9\r\n\r\n', /not HTTP/],
  ['long headers', `GET /v1/vms HTTP/1.1\r\n${HOST}x: ${'y'.repeat(20_000)}\r\n\r\n`, /headers are too long/],
  ['an exec that does not leave HTTP', post('/v1/vms/web/exec', '{}'), /banger-frames/],
  ['an upgrade to something else', upgrade('/v1/vms/web/exec', 'websocket'), /upgrade/],
  ['an upgrade with a body', upgrade('/v1/vms/web/exec', 'banger-frames', 'content-length: 3\r\n'), /no body/],
  ['a copy without a tar', `PUT /v1/vms/web/files?path=/x HTTP/1.1\r\n${HOST}content-length: 0\r\n\r\n`, /tar/],
] as const) {
  test(`refused with its reason: ${what}`, async (t) => {
    const api = await serve(t);
    const answer = await api.ask(request);
    assert.deepEqual([answer.status, answer.code], [400, 'BAD_REQUEST']);
    assert.match(answer.message, inWords);
    assert.deepEqual(api.calls, []);
  });
}

test('who says nothing, half a head or half a body is let go, and told why', async (t) => {
  const api = await serve(t);
  const halves = ['', 'GET /v1/vms HTT', `GET /v1/vms HTTP/1.1\r\n${HOST}x: `, `${post('/v1/vms', '{}').slice(0, -1)}`];
  const answers = await Promise.all(halves.map((half) => api.ask(half)));
  assert.deepEqual(
    answers.map(({ code }) => code),
    ['BAD_REQUEST', 'BAD_REQUEST', 'BAD_REQUEST', 'BAD_REQUEST'],
  );
});

for (const [what, request] of [
  ['no HTTP', 'SSH-2.0-OpenSSH_9\r\n\r\n'],
  ['an upgrade that is refused', upgrade('/v1/vms/web/exec', 'websocket')],
  ['a body that is refused', post('/v1/vms', 'x'.repeat(300_000))],
] as const) {
  test(`one who stays after ${what} is left`, async (t) => {
    const api = await serve(t);
    const socket = await api.open();
    socket.resume().write(request);
    await api.firstClosed;
    socket.destroy();
  });
}

test('there are only so many connections at once, and the next is let in when one leaves', async (t) => {
  const api = await serve(t);
  const [first] = await Promise.all(Array.from({ length: limits.connections }, api.open));
  const late = await api.open();
  await once(late.resume(), 'end'); // without a word
  late.destroy();
  first?.destroy();
  await api.firstClosed;
  assert.equal((await api.ask(`GET /v1/vms HTTP/1.1\r\n${HOST}\r\n`)).status, 200);
});

test('who asks on and on without a look at the answers is let go, and costs no more', async (t) => {
  let asked = 0;
  const vmList = () => {
    asked += 1;
    return { vms: [] };
  };
  const api = await serve(t, { vmList });
  const socket = await api.open();
  const request = `GET /v1/vms HTTP/1.1\r\n${HOST}\r\n`;
  socket.write(request.repeat(5000));
  await api.firstClosed;
  socket.destroy();
  assert.ok(asked <= limits.unanswered, `${asked} calls`);
  assert.equal((await api.ask(request)).status, 200);
});

test('an upgrade that no route offers is overlooked, as curl wants it', async (t) => {
  const api = await serve(t);
  const answer = await api.ask(
    `GET /v1/vms HTTP/1.1\r\n${HOST}connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n`,
  );
  assert.deepEqual([answer.status, answer.body], [200, { vms: [] }]);
});

test('who is refused with a body half sent hears why', async (t) => {
  const api = await serve(t);
  const socket = await api.open();
  socket.write(`POST /v1/nothing HTTP/1.1\r\n${HOST}content-length: 100000000\r\n\r\n`);
  keepSending(socket);
  assert.equal((await readAnswer(socket)).code, 'ROUTE_NOT_FOUND');
});

test('an answer holds what its schema says, and nothing else of a record', async (t) => {
  const api = await serve(t, { sshConfig: () => ({ configPath: '/x', secret: 'y' }) as never });
  assert.deepEqual((await api.ask(`GET /v1/ssh HTTP/1.1\r\n${HOST}\r\n`)).body, { configPath: '/x' });
});

test('an answer that is not as its schema says is a fault of the daemon, and told as one', async (t) => {
  const api = await serve(t, { sshConfig: () => ({ configPath: 7 }) as never });
  const answer = await api.ask(`GET /v1/ssh HTTP/1.1\r\n${HOST}\r\n`);
  assert.deepEqual([answer.status, answer.code], [500, 'INTERNAL']);
});

test('a handler hears when its caller leaves, and a tar that is cut off breaks for who reads it', async (t) => {
  const { promise: gone, resolve } = Promise.withResolvers<string>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const api = await serve(t, {
    vmFilesPut: async ({ tar, signal }: Call<'vmFilesPut'>) => {
      begin();
      await Promise.all([
        once(signal, 'abort'),
        tar
          .resume()
          .toArray()
          .catch((fault) => resolve(fault.code)),
      ]);
      return {};
    },
  });
  const socket = await api.open();
  socket.write(`PUT /v1/vms/web/files?path=/x HTTP/1.1\r\n${HOST}content-length: 100\r\n\r\nhalf`);
  await begun;
  socket.destroy();
  assert.equal(await gone, 'ECONNRESET');
});

test('a tar that breaks off before somebody reads it ends nothing else', async (t) => {
  const begun = Promise.withResolvers<void>();
  const hasLeft = Promise.withResolvers<void>();
  const vmFilesPut = async ({ tar, signal }: Call<'vmFilesPut'>) => {
    begun.resolve();
    await once(signal, 'abort'); // as one that waits for the vm
    if (!tar.closed) await new Promise((resolve) => tar.once('close', resolve));
    hasLeft.resolve();
    return {};
  };
  const api = await serve(t, { vmFilesPut });
  const socket = await api.open();
  socket.write(`PUT /v1/vms/web/files?path=/x HTTP/1.1\r\n${HOST}content-length: 100\r\n\r\nhalf`);
  await begun.promise;
  socket.destroy();
  await hasLeft.promise;
  assert.equal((await api.ask(`GET /v1/vms HTTP/1.1\r\n${HOST}\r\n`)).status, 200);
});

test('an operation ends when the tar that it reads is cut off, and says so while one is still sent', async (t) => {
  const cancelled = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const images = {
    importSent: async (task: Task, { name, tar }: { name: string; tar: Readable }) => {
      if (name === 'refused') throw new BangerError('IMAGE_INVALID', { message: 'No.' });
      begun.resolve();
      await once(task.signal, 'abort');
      cancelled.resolve();
      tar.destroy();
      task.check();
    },
  };
  const operations = createOperations({ log: quietLog, now: () => new Date() });
  const api = await serve(t, imageHandlers({ images, operations, kernels: {} } as never));
  const cut = await api.open();
  cut.write(`PUT /v1/images/mine HTTP/1.1\r\n${HOST}content-length: 100\r\n\r\nhalf`);
  await begun.promise;
  cut.destroy();
  await cancelled.promise;

  const refused = await api.open();
  refused.write(`PUT /v1/images/refused HTTP/1.1\r\n${HOST}content-length: 100000000\r\n\r\n`);
  keepSending(refused);
  assert.match((await refused.toArray()).join(''), /"failed".*IMAGE_INVALID/); // to its end, which the daemon gives it
});

test('frames pass both ways, and one who never says what to run is let go', async (t) => {
  const api = await serve(t);
  const speaking = await api.open();
  speaking.write(`${upgrade('/v1/vms/web/exec', 'banger-frames')}hello`); // as one packet
  let heard = '';
  while (!heard.endsWith('hello')) heard += String((await once(speaking, 'data'))[0]);
  const silent = await api.open();
  silent.write(upgrade('/v1/vms/web/exec', 'banger-frames'));
  await once(silent.resume(), 'end');
  silent.destroy();
  assert.equal(speaking.readyState, 'open');
  speaking.destroy();
});

/** More than the buffers on the way take. */
function keepSending(socket: Socket): void {
  let sentBytes = 0;
  const send = () => {
    while (sentBytes < 4_000_000 && socket.write(Buffer.alloc(65_536))) sentBytes += 65_536;
  };
  socket.on('drain', send);
  send();
}

test('a daemon that is about to end begins nothing more, and still tells what there is', async (t) => {
  const api = await serve(t, {}, AbortSignal.abort());
  for (const [name, { method, path, answers }] of Object.entries(ROUTES)) {
    const upgrade = { frames: 'banger-frames', tcp: 'banger-tcp' }[answers as string];
    const as = upgrade ? `connection: upgrade\r\nupgrade: ${upgrade}\r\n` : 'content-length: 0\r\n';
    const { code } = await api.ask(`${method} ${path.replaceAll(':', '')} HTTP/1.1\r\n${HOST}${as}\r\n`);
    const isTaken = method === 'GET' || name === 'daemonStop' || name === 'operationCancel';
    assert.equal(code === 'DAEMON_ENDING', !isTaken, name);
  }
});

type Answer = { status: number; code: string | undefined; message: string; body: unknown };

/** A socket with handlers that answer what is empty; an exec is an echo. `calls` are the routes that were reached. */
async function serve(
  t: TestContext,
  changed: Partial<Record<RouteName, unknown>> = {},
  ending: AbortSignal = new AbortController().signal,
) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-edge-'));
  const calls: string[] = [];
  const names = Object.keys(SCHEMAS) as RouteName[];
  const given: Record<string, unknown> = { vmList: () => ({ vms: [] }), ...changed };
  const handlers = names.map((name) => {
    const reached = () => {
      calls.push(name);
      return {};
    };
    return [name, given[name] ?? reached];
  });
  const guest = { openFrames: () => new PassThrough() };
  const vms = { guest: async () => guest, use: () => ({ [Symbol.dispose]: () => {} }) } as unknown as Vms;
  const socketPath = join(folder, 'daemon.sock');
  const server = await listen({
    app: createApp({ handlers: Object.fromEntries(handlers) as Handlers, log: quietLog, ending, limits }),
    upgrade: createUpgrade({ vms, log: quietLog, ending, limits }),
    limits,
    folder,
    socketPath,
  });
  const { promise: firstClosed, resolve: close } = Promise.withResolvers<void>();
  server.on('connection', (socket) => socket.once('close', () => close()));
  t.after(async () => {
    server.close();
    server.closeAllConnections();
    await rm(folder, { recursive: true });
  });
  return { calls, open, ask, firstClosed };

  async function open(): Promise<Socket> {
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    await once(socket, 'connect');
    return socket;
  }

  async function ask(request: string): Promise<Answer> {
    const socket = await open();
    socket.write(request);
    return readAnswer(socket);
  }
}

/** Until the whole answer is there; the connection is closed then. */
async function readAnswer(socket: Socket): Promise<Answer> {
  let text = '';
  for await (const bytes of socket) {
    text += bytes;
    const [head = '', rest] = splitAt(text, '\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.POSITIVE_INFINITY);
    if (rest !== undefined && (Buffer.byteLength(rest) >= length || rest.endsWith('\r\n0\r\n\r\n'))) break;
  }
  socket.destroy();
  const [head = '', rest = ''] = splitAt(text, '\r\n\r\n');
  const json = /\{.*\}/s.exec(rest)?.[0] ?? '{}';
  const body = JSON.parse(json) as { error?: { code: string; message: string } };
  return { status: Number(head.split(' ')[1]), code: body.error?.code, message: body.error?.message ?? '', body };
}

function splitAt(text: string, mark: string): string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + mark.length)];
}

function lengthOf(body: string): string {
  return `content-length: ${body.length}\r\n\r\n${body}`;
}

function post(path: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\n${HOST}${lengthOf(body)}`;
}

function chunked(path: string, body: string): string {
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  return `POST ${path} HTTP/1.1\r\n${HOST}transfer-encoding: chunked\r\n\r\n${chunk}`;
}

function upgrade(path: string, protocol: string, more = ''): string {
  return `POST ${path} HTTP/1.1\r\n${HOST}connection: Upgrade\r\nupgrade: ${protocol}\r\n${more}\r\n`;
}
