import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openFifo } from '../platform/fifos.ts';
import { createLog } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import { connectSocket, type OnRead } from '../platform/unix-sockets.ts';
import { keepBoundedLog } from './bounded-log.ts';

const log = createLog(() => {});

test('the console is appended to what is there, up to its last byte', async (t) => {
  const { path, keep } = await consoleOf(t);
  await writeFile(path, 'earlier\n');
  const { guest, ended } = await keep();
  guest.end('Kernel panic');
  await ended;
  assert.equal(await readFile(path, 'utf8'), 'earlier\nKernel panic');
});

test('a guest that floods its console leaves the newest of it and no more', async (t) => {
  const { path, keep } = await consoleOf(t);
  const { guest, ended } = await keep({ maxBytes: 100_000 });
  for (let line = 0; line < 1000; line += 1) guest.write(`${String(line).padStart(5)} ${'x'.repeat(1000)}\n`);
  guest.end('the end');
  await ended;
  assert.equal((await stat(path)).size <= 200_000, true); // a bound, and one read beyond it
  assert.match(await readFile(path, 'utf8'), / 999 x+\nthe end$/);
});

test('a guest that floods its console byte by byte is read at a pace, up to its last byte', async (t) => {
  const { path, keep } = await consoleOf(t);
  const { guest, ended } = await keep({ burstReads: 100 });
  const flood = spawn('sh', ['-c', 'while [ ! -e "$0" ]; do printf x; done; printf end', `${path}.stop`], {
    stdio: ['ignore', guest, 'inherit'],
  });
  const before = process.cpuUsage();
  await delay(1000);
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 300_000, `${user + system} µs of processor time in a second`);
  await writeFile(`${path}.stop`, '');
  await once(flood, 'exit');
  guest.destroy();
  await ended;
  assert.match(await readFile(path, 'utf8'), /^x+end$/);
});

test('what comes by a FIFO is kept to its last byte, and nobody who reads is no end for who writes', async (t) => {
  const { path } = await consoleOf(t);
  const fifo = `${path}.fifo`;
  await once(spawn('mkfifo', [fifo]), 'close');
  const writing = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
  const before = await keepBoundedLog({ open: (onRead) => openFifo(fifo, onRead), path, log });
  writeSync(writing, 'first ');
  while ((await readFile(path, 'utf8')) !== 'first ') await delay(1);
  before.stop();
  writeSync(writing, 'second ');
  const after = await keepBoundedLog({ open: (onRead) => openFifo(fifo, onRead), path, log });
  writeSync(writing, 'last');
  closeSync(writing);
  await after.ended;
  assert.equal(await readFile(path, 'utf8'), 'first second last');
});

async function consoleOf(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-console-'));
  const path = join(folder, 'console.log');
  const server = createServer().listen(join(folder, 'console.sock'));
  await once(server, 'listening');
  t.after(async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    path,
    async keep(bounds?: { maxBytes?: number; burstReads?: number }) {
      const connected = once(server, 'connection') as Promise<[Socket]>;
      const open = (onRead: OnRead) => connectSocket(Task.background(), join(folder, 'console.sock'), onRead);
      const { ended, stop } = await keepBoundedLog({ open, path, log, ...bounds });
      t.after(stop);
      const [guest] = await connected;
      return { guest, ended };
    },
  };
}
