/**
 * A stand-in for the daemon that speaks the owner API over a unix socket, for tests of the client and of the command.
 * Its "guest" is this host: an exec runs the command here. What a test wants to be different, it puts in `routes`.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OperationEvent } from '@banger/contract/api/operations.ts';
import type { ErrorCode } from '@banger/contract/errors.ts';
import { ERRORS } from '@banger/contract/errors.ts';
import { encodeChunks, encodeFrame, FRAME, FrameReader, textOf } from '@banger/contract/guest/frames.ts';
import { VERSION, VERSION_HEADER } from '@banger/contract/version.ts';

export type FakeRoute = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void | Promise<void>;

export type FakeDaemon = {
  socketPath: string;
  /** Points the command at this daemon, and at nothing of the user's */
  env: Record<string, string>;
  /** "GET /v1/vms" to what answers it; a path may end with `*` */
  routes: Record<string, FakeRoute>;
  /** "POST /v1/vms" and so on, in the order in which they came */
  requests: string[];
  /** Signals that execs were sent */
  signals: string[];
  /** What a hostile guest says to every exec, and nothing else */
  guestSays: Uint8Array | null;
  [Symbol.asyncDispose]: () => Promise<void>;
};

export async function startFakeDaemon(): Promise<FakeDaemon> {
  const folder = mkdtempSync(join(tmpdir(), 'banger-fake-'));
  mkdirSync(join(folder, 'run/banger'), { recursive: true });
  const socketPath = join(folder, 'run/banger/daemon.sock');
  const open = new Set<Socket>();
  const daemon: FakeDaemon = {
    socketPath,
    env: environmentIn(folder),
    routes: {},
    requests: [],
    signals: [],
    guestSays: null,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };

  const server = createServer(async (request, response) => {
    response.setHeader(VERSION_HEADER, VERSION);
    const route = findRoute(daemon, request);
    if (route === undefined) return answerError(response, 'ROUTE_NOT_FOUND', `no ${request.method} ${request.url}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    await route(request, response, Buffer.concat(chunks));
  });
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => open.delete(socket));
  });
  server.on('upgrade', (request, socket) => {
    daemon.requests.push(`${request.method} ${request.url}`);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: banger-frames\r\n\r\n');
    if (daemon.guestSays) socket.on('error', () => {}).end(daemon.guestSays);
    else runHere(socket as Socket, daemon.signals);
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return daemon;
}

/** Every XDG variable under one folder. */
export function environmentIn(folder: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    XDG_RUNTIME_DIR: join(folder, 'run'),
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_DATA_HOME: join(folder, 'data'),
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    ...(process.env.NODE_V8_COVERAGE !== undefined && { BANGER_TEST_COVERAGE: process.env.NODE_V8_COVERAGE }),
  };
}

export function answerJson(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}

export function answerError(response: ServerResponse, code: ErrorCode, message: string): void {
  response.statusCode = ERRORS[code].status;
  answerJson(response, { error: { code, message, hint: 'Try something else.' } });
}

export function writeEvent(response: ServerResponse, event: OperationEvent): void {
  response.statusCode = 202;
  response.write(`${JSON.stringify(event)}\n`);
}

export function begun(id: string, subject: string): OperationEvent {
  const startedAt = '2026-01-02T03:04:05.000Z';
  const operation = { id, kind: 'vm.create', subject, state: 'running', startedAt, endedAt: null, step: null } as const;
  return { is: 'begun', operation };
}

export const sampleVm = {
  id: '0123456789ab',
  name: 'web',
  state: { is: 'running', since: '2026-01-02T03:04:05.000Z', pid: 4711, driver: 'qemu', accel: 'tcg', network: 'user' },
  fault: null,
  image: { name: 'debian', digest: 'sha256:aa', hasCommand: false },
  kernel: { name: 'debian', digest: 'sha256:bb' },
  cpus: 2,
  memoryBytes: 2 ** 30,
  diskBytes: 8 * 2 ** 30,
  diskAllocatedBytes: 3 * 2 ** 20,
  publish: [],
  hostPorts: [],
  autostart: false,
  driver: 'auto',
  network: 'auto',
  allow: [],
  address: null,
  ephemeral: false,
  idleStopAt: null,
  fromHost: [],
  createdAt: '2026-01-02T03:04:05.000Z',
};

function findRoute({ routes, requests }: FakeDaemon, { method, url = '' }: IncomingMessage): FakeRoute | undefined {
  const wanted = `${method} ${url}`;
  requests.push(wanted);
  const name = Object.keys(routes).find((each) =>
    each.endsWith('*') ? wanted.startsWith(each.slice(0, -1)) : each === wanted.split('?')[0],
  );
  return name === undefined ? undefined : routes[name];
}

/** The agent's part, as far as tests need it: pipes, signals, exit. */
function runHere(socket: Socket, signals: string[]): void {
  const reader = new FrameReader('host');
  let child: ReturnType<typeof spawn> | null = null;
  socket.on('error', () => {});
  socket.on('close', () => child?.kill('SIGHUP'));
  socket.on('data', (bytes: Buffer) => {
    for (const { type, payload } of reader.push(bytes)) {
      if (type === FRAME.START) child = start(JSON.parse(textOf(payload)));
      if (type === FRAME.STDIN && child?.stdin?.write(payload) === false) {
        socket.pause();
        child.stdin.once('drain', () => socket.resume());
      }
      if (type === FRAME.STDIN_END) child?.stdin?.end();
      if (type === FRAME.SIGNAL) {
        const { signal } = JSON.parse(textOf(payload));
        signals.push(signal);
        child?.kill(`SIG${signal}` as NodeJS.Signals);
      }
    }
  });

  function start({ argv, env }: { argv: string[]; env: Record<string, string> }) {
    const [program = 'sh', ...args] = argv;
    const started = spawn(program, args, { env: { PATH: process.env.PATH, ...env } });
    started.once('error', () => {
      socket.end(encodeFrame(FRAME.FAILED, JSON.stringify({ code: 'COMMAND_NOT_FOUND', message: `no ${program}` })));
    });
    started.once('spawn', () => {
      socket.write(encodeFrame(FRAME.STARTED, JSON.stringify({ id: 's1', pid: started.pid, droppedBytes: 0 })));
    });
    for (const [stream, type] of [
      [started.stdout, FRAME.STDOUT],
      [started.stderr, FRAME.STDERR],
    ] as const) {
      stream.on('data', (bytes: Buffer) => {
        for (const frame of encodeChunks(type, bytes)) {
          if (socket.write(frame)) continue;
          stream.pause();
          socket.once('drain', () => stream.resume());
        }
      });
    }
    started.stdin.on('error', () => {}); // a command that does not read
    started.once('close', (code, signal) => {
      const exit = signal === null ? { code } : { signal: signal.slice(3) };
      socket.end(encodeFrame(FRAME.EXIT, JSON.stringify(exit)));
    });
    return started;
  }
}
