import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import { keepConsoleLog } from './bounded-log.ts';

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
    async keep(bounds?: Parameters<typeof keepConsoleLog>[4]) {
      const connected = once(server, 'connection') as Promise<[Socket]>;
      const { ended, stop } = await keepConsoleLog(Task.background(), join(folder, 'console.sock'), path, log, bounds);
      t.after(stop);
      const [guest] = await connected;
      return { guest, ended };
    },
  };
}
