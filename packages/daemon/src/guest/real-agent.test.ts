/** The agent that goes into machines, started on this host without one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { AGENT } from '../../../../test/support/banger-home.ts';
import { Task } from '../platform/task.ts';
import { connectSocket, watchForSocket } from '../platform/unix-sockets.ts';
import { testAgent } from './agent-suite.ts';

testAgent('the real agent', {
  dial,
  folders: async (t) => [await temporaryFolder(t), await temporaryFolder(t)],
  user: userInfo().username,
});

async function dial(t: TestContext) {
  const path = join(await temporaryFolder(t), 'agent.sock');
  const socket = watchForSocket(path);
  const agent = spawn(AGENT, ['--serve', path], { stdio: 'inherit' });
  t.after(async () => {
    agent.kill('SIGKILL');
    await once(agent, 'close');
  });
  await socket.appeared;
  socket.stop();
  const line = await connectSocket(Task.background(), path);
  t.after(() => line.destroy());
  return line;
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-agent-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
