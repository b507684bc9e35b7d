import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLog } from '../../platform/log.ts';
import { keepConsoleLog } from './console-log.ts';

const log = createLog(() => {});

test('the console is appended to what is there, up to its last byte', async (t) => {
  const { path, guest, host } = await pair(t);
  await writeFile(path, 'earlier\n');
  const { ended } = keepConsoleLog(host, path, log);
  guest.end('Kernel panic');
  await ended;
  assert.equal(await readFile(path, 'utf8'), 'earlier\nKernel panic');
});

test('a guest that floods its console leaves the newest of it and no more', async (t) => {
  const { path, guest, host } = await pair(t);
  const { ended } = keepConsoleLog(host, path, log, 100_000);
  for (let line = 0; line < 1000; line += 1) guest.write(`${String(line).padStart(5)} ${'x'.repeat(1000)}\n`);
  guest.end('the end');
  await ended;
  assert.equal((await stat(path)).size <= 200_000, true); // a bound, and one read beyond it
  assert.match(await readFile(path, 'utf8'), / 999 x+\nthe end$/);
});

async function pair(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-console-'));
  const server = createServer().listen(join(folder, 'console.sock'));
  await once(server, 'listening');
  const host = connect(join(folder, 'console.sock'));
  const [guest] = (await once(server, 'connection')) as [Socket];
  t.after(async () => {
    host.destroy();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { path: join(folder, 'console.log'), guest, host };
}
