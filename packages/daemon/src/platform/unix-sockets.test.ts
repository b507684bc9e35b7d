import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Task } from './task.ts';
import { connectSocket } from './unix-sockets.ts';

test('a link in the place of a socket is not followed, and a file is no socket', async (t) => {
  const folder = await makeFolder(t);
  const [yours, link, file] = [join(folder, 'yours'), join(folder, 'link'), join(folder, 'file')];
  const server = createServer((caller) => caller.end('yours')).listen(yours);
  t.after(() => server.close());
  await once(server, 'listening');
  await symlink(yours, link);
  await writeFile(file, '');
  for (const path of [link, file]) await assert.rejects(connectSocket(Task.background(), path), /is no socket/);
  const [said] = await once(await connectSocket(Task.background(), yours), 'data');
  assert.equal(said.toString(), 'yours');
});

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-sockets-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}
