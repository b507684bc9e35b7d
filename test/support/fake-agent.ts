/** Plays banger-agent on a stream: the handshake, then HTTP/2. Its files are a folder beside the vm's disk. */

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { writePaxHeader } from '../../packages/contract/src/tar/pax.ts';
import { sealTarBlock } from '../../packages/contract/src/tar/tar-block.ts';
import { FakeSessions } from './fake-commands.ts';
import type { FakeFaults } from './fake-faults.ts';
import { packFakeRoot } from './fake-root.ts';

type FakeAgentParts = {
  faults: FakeFaults;
  diskPath: string | null;
  runtimePath: string;
  /** A socket that leads to the programs in the guest, see fake-home.ts */
  programs?: string | undefined;
  /** What the guest was made from, where somebody asks for its root */
  imageFolder?: string;
  power: { end(reason: string): unknown; portChanged(isOpen: boolean): unknown };
};

export function createFakeAgent({ faults, diskPath, runtimePath, programs, imageFolder, power }: FakeAgentParts) {
  const root = join(dirname(diskPath ?? runtimePath), 'fake-root');
  for (const folder of ['root', 'tmp', 'etc']) mkdirSync(join(root, folder), { recursive: true });
  const sessions = new FakeSessions(root, faults, () => {
    power.portChanged(false);
    if (!sessions.isAgentGone) power.portChanged(true);
  });
  const bootedAt = Date.now() + faults.bootMs;
  const info = { protocol: 1, version: '0.0.0-fake', bootId: randomUUID(), init: 'agent', kernel: '0.0.0-fake' };

  const http2 = createServer({ settings: { initialWindowSize: 1024 * 1024 } });
  http2.on('session', (session) => session.on('error', () => {}));
  http2.on('sessionError', () => {});
  http2.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {});
    answer(stream, headers).catch((fault) => refuse(stream, 500, 'INTERNAL', String(fault)));
  });
  return { serve };

  /** Before the guest has booted nobody reads. */
  function serve(socket: Socket): void {
    socket.on('error', () => {});
    setTimeout(() => shakeHands(socket), Math.max(0, bootedAt - Date.now()));
  }

  function shakeHands(socket: Socket): void {
    if (faults.fault === 'never-hello' || faults.fault === 'silent' || sessions.isAgentGone) socket.resume();
    else if (faults.fault === 'flood-before-ready') flood(socket);
    else readLines(socket);
  }

  function readLines(socket: Socket): void {
    let pending: Buffer = Buffer.alloc(0);
    const read = (bytes: Buffer) => {
      pending = Buffer.concat([pending, bytes]);
      for (let end = pending.indexOf(10); end >= 0; end = pending.indexOf(10)) {
        const line = pending.toString('latin1', 0, end);
        if (line === 'PRI * HTTP/2.0\r') {
          socket.off('data', read);
          socket.pause();
          beginSession(socket, pending);
          return;
        }
        pending = pending.subarray(end + 1);
        const nonce = /^BANGER-HELLO ([0-9a-f]{32}) \d+$/.exec(line)?.[1];
        if (nonce) greet(socket, nonce);
      }
    };
    socket.on('data', read);
  }

  function greet(socket: Socket, nonce: string): void {
    if (faults.fault === 'boot-fail') {
      socket.write(`BANGER-FAIL ${nonce} ${JSON.stringify({ code: 'MOUNT', message: 'the disk is not ext4' })}\n`);
      setTimeout(() => power.end('guest-reset'), 100);
      return;
    }
    socket.write(`BANGER-READY ${nonce} ${JSON.stringify(info)}\n`);
    if (faults.fault === 'die-after-ready') setTimeout(() => power.end('guest-shutdown'), faults.afterMs);
    if (faults.fault === 'reset-after-ready') setTimeout(() => power.end('guest-reset'), faults.afterMs);
  }

  function beginSession(socket: Socket, preface: Buffer): void {
    if (faults.fault === 'garbage-after-ready') {
      socket.write(Buffer.alloc(100_000, 'garbage '));
      return;
    }
    socket.unshift(preface);
    http2.emit('connection', socket);
  }

  function sendRoot(stream: ServerHttp2Stream, tar: Buffer): void {
    stream.respond({ ':status': 200, 'banger-kind': 'directory' });
    if (faults.fault === 'root-hangs') stream.write(tar.subarray(0, 512));
    else if (faults.fault === 'root-without-end') writeForEver(stream, tar);
    else if (faults.fault === 'root-unreadable') stream.end(Buffer.concat([tar.subarray(0, 1024), UNREADABLE]));
    else if (faults.fault === 'root-breaks-off') stream.write(tar.subarray(0, 512), () => stream.session?.destroy());
    else if (faults.fault === 'root-is-none') stream.end(Buffer.alloc(100_000, 'no tar '));
    else stream.end(tar);
  }

  async function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    if (headers[':method'] === 'CONNECT') {
      const refused = (fault: Error) => refuse(stream, 404, 'NOT_FOUND', fault.message);
      return joinProgram(stream, String(headers[':authority']), programs).catch(refused);
    }
    const url = new URL(`http://agent${headers[':path']}`);
    const route = `${headers[':method']} ${url.pathname.replace(/(?<=^\/v1\/sessions\/)[^/]+/, '*')}`;
    const id = url.pathname.split('/')[3] ?? '';
    const path = join(root, url.searchParams.get('path') ?? '/');
    switch (route) {
      case 'GET /v1/init':
        if (faults.fault === 'init-never-ready') return;
        return done(stream, true);
      case 'POST /v1/exec':
        return sessions.serve(stream);
      case 'GET /v1/sessions':
        return reply(stream, { sessions: sessions.list() });
      case 'POST /v1/sessions/*/signal':
        return done(stream, sessions.signal(id, JSON.parse(await bodyOf(stream)).signal));
      case 'DELETE /v1/sessions/*':
        return done(stream, sessions.end(id));
      case 'GET /v1/files':
        return sendTar(stream, path);
      case 'POST /v1/root':
        return sendRoot(stream, packFakeRoot(root, imageFolder ?? null, JSON.parse(await bodyOf(stream))));
      case 'PUT /v1/files':
        return takeTar(stream, path);
      case 'GET /v1/stat': {
        const found = statSync(path, { throwIfNoEntry: false });
        if (!found) return refuse(stream, 404, 'NOT_FOUND', 'no such file');
        const kind = found.isDirectory() ? 'directory' : 'file';
        return reply(stream, { kind, sizeBytes: found.size, mode: found.mode });
      }
      case 'GET /v1/ports':
        return reply(stream, SAMPLE_PORTS);
      case 'PUT /v1/image': {
        const config = await bodyOf(stream);
        writeFileSync(join(root, 'image'), config);
        sessions.useImage(JSON.parse(config));
        return done(stream, true);
      }
      case 'POST /v1/clock':
        writeFileSync(join(root, 'clock'), await bodyOf(stream));
        return done(stream, true);
      case 'POST /v1/shutdown': {
        const order = await bodyOf(stream);
        writeFileSync(join(root, 'shutdown'), order);
        const { how } = JSON.parse(order);
        stream.respond({ ':status': 202 }, { endStream: true });
        if (faults.fault !== 'hang-on-shutdown') {
          setTimeout(() => power.end(how === 'reboot' ? 'guest-reset' : 'guest-shutdown'), 20);
        }
        return;
      }
      default:
        return refuse(stream, 404, 'NOT_FOUND', `no route ${route}`);
    }
  }
}

/** What the agent says when it cannot read a file to its end */
const UNREADABLE = writePaxHeader([{ key: 'comment', value: Buffer.from('banger-fault INTERNAL') }]);
UNREADABLE[156] = 0x67; // a global one
sealTarBlock(UNREADABLE.subarray(0, 512));

const SAMPLE_PORTS = JSON.parse(
  readFileSync(new URL('../../packages/contract/vectors/ports.json', import.meta.url), 'utf8'),
).answer;

/** Its programs are the test's, which `programs` leads to; else those of this host. */
async function joinProgram(stream: ServerHttp2Stream, authority: string, programs: string | undefined): Promise<void> {
  const port = Number(authority.split(':')[1]);
  const options = programs ? { path: programs } : { host: 'localhost', port };
  const program = connect({ ...options, allowHalfOpen: true });
  await once(program, 'connect');
  if (programs) {
    program.write(`${port}\n`);
    await once(program, 'readable'); // a byte where somebody listens, and the end where nobody does
    if (program.read(1) === null) throw new Error('nobody listens there');
  }
  stream.respond({ ':status': 200 });
  await pipeline(stream, program, stream).catch(() => {}); // one of the two broke, and so has the other
}

function flood(socket: Socket): void {
  socket.resume();
  writeForEver(socket, Buffer.alloc(65_536, 'BANGER-READY 0 \xff\x1b[2J'));
}

function writeForEver(stream: Writable, bytes: Buffer): void {
  const more = () => {
    while (!stream.destroyed && stream.write(bytes));
  };
  stream.on('drain', more);
  more();
}

function sendTar(stream: ServerHttp2Stream, path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) {
    refuse(stream, 404, 'NOT_FOUND', 'no such file');
    return;
  }
  stream.respond({ ':status': 200, 'banger-kind': found.isDirectory() ? 'directory' : 'file' });
  const tar = spawn('tar', ['-C', dirname(path), '-cf', '-', basename(path)], { stdio: ['ignore', 'pipe', 'inherit'] });
  tar.stdout.pipe(stream);
}

function takeTar(stream: ServerHttp2Stream, path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    refuse(stream, 404, 'NOT_FOUND', 'no such folder');
    return;
  }
  const tar = spawn('tar', ['-C', path, '-xf', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
  tar.stdin.on('error', () => {}); // its exit code tells
  stream.pipe(tar.stdin);
  tar.once('exit', (code) => {
    if (code === 0) done(stream, true);
    else refuse(stream, 400, 'BAD_REQUEST', 'the tar stream is damaged');
  });
}

async function bodyOf(stream: ServerHttp2Stream): Promise<string> {
  return Buffer.concat(await stream.toArray()).toString('utf8');
}

function reply(stream: ServerHttp2Stream, body: unknown): void {
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  stream.end(JSON.stringify(body));
}

function done(stream: ServerHttp2Stream, isKnown: boolean): void {
  if (isKnown) stream.respond({ ':status': 204 }, { endStream: true });
  else refuse(stream, 404, 'NOT_FOUND', 'no such session');
}

function refuse(stream: ServerHttp2Stream, status: number, code: string, message: string): void {
  if (stream.headersSent || stream.destroyed) return;
  stream.respond({ ':status': status });
  stream.end(JSON.stringify({ code, message }));
}
