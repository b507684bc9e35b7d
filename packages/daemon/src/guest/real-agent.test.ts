/** The agent that goes into machines, started on this host without one. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { imageConfigSchema } from '@banger/contract/api/image-config.ts';
import { FRAME, FrameReader, textOf } from '@banger/contract/guest/frames.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import { AGENT } from '../../../../test/support/banger-home.ts';
import { Task } from '../platform/task.ts';
import { connectSocket, watchForSocket } from '../platform/unix-sockets.ts';
import { testAgent } from './agent-suite.ts';
import { connectGuest, followCommand } from './guest.ts';

const task = Task.background();

testAgent('the real agent', {
  dial,
  folders: async (t) => [await temporaryFolder(t), await temporaryFolder(t)],
  dialStill: async (t) => {
    const [root, image] = [await temporaryFolder(t), await temporaryFolder(t)];
    return { line: await dial(t, root, image), root, image };
  },
  user: userInfo().username,
});

test('what the image runs gets its signal before the machine ends, and nothing else does', async (t) => {
  const guest = await connectGuest(task, await dial(t));
  const folder = await temporaryFolder(t);
  const note = (signal: string) => `trap "echo $0 ${signal} >> ended; exit" ${signal}; `;
  const script = `${note('QUIT')}${note('TERM')}echo ready; while kill -0 $PPID; do sleep 0.01; done`;
  await guest.useImage(task, {
    ...{ env: [], user: null, workingDir: folder, stopSignal: 'SIGQUIT' },
    ...{ entrypoint: ['sh', '-c', script], command: ['image'] },
  });
  const start = { env: {}, cwd: null, user: userInfo().username, tty: null, stdin: false, keep: true } as const;
  const own = await guest.exec(task, { ...start, argv: [], image: 'command' });
  const other = await guest.exec(task, { ...start, argv: ['sh', '-c', script, 'other'], image: 'defaults' });
  for (const stream of [own, other]) await untilReady(stream);
  await guest.shutdown(task, 'poweroff', 30_000);
  assert.match(await guest.closed, /./);
  assert.equal(await readFile(join(folder, 'ended'), 'utf8'), 'image QUIT\n');
});

test('an image names a user that is not there, and root is there all the same', async (t) => {
  const guest = await connectGuest(task, await dial(t));
  const config = { env: [], workingDir: null, entrypoint: [], command: [], stopSignal: null };
  await guest.useImage(task, { ...config, user: 'no-such-user' });
  const start = { argv: ['true'], env: {}, cwd: '/', tty: null, stdin: false, keep: false };
  const failure = async (more: Partial<ExecStart>) => {
    const stream = await guest.exec(task, { ...start, user: null, ...more });
    return followCommand(task, stream, { stdin: undefined, onStdout: () => {}, onStderr: () => {} });
  };
  await assert.rejects(failure({ image: 'defaults' }), {
    code: 'USER_NOT_FOUND',
    message: /"no-such-user", as which the image/,
  });
  const own = userInfo().username;
  assert.deepEqual(await failure({ image: 'defaults', user: own }), { code: 0 });
});

test('the largest that an image may say is taken, and with a command that is as large it is too much for Linux', async (t) => {
  const guest = await connectGuest(task, await dial(t));
  const env = Array.from({ length: 8 }, (_, index) => `V${index}=${'x'.repeat(130_000)}`);
  const config = { env, user: null, workingDir: null, entrypoint: [], command: [], stopSignal: null };
  await guest.useImage(task, imageConfigSchema.parse(config));
  const start = { env: {}, cwd: '/', user: userInfo().username, tty: null, stdin: false, keep: false };
  const run = async (words: string[]) => {
    const argv = ['sh', '-c', 'test -n "$V7"', ...words];
    const stream = await guest.exec(task, { ...start, argv, image: 'defaults' });
    return followCommand(task, stream, { stdin: undefined, onStdout: () => {}, onStderr: () => {} });
  };
  assert.deepEqual(await run([]), { code: 0 });
  await assert.rejects(run(Array.from({ length: 12 }, () => 'y'.repeat(120_000))), { code: 'COMMAND_TOO_LONG' });
});

test('the files of a machine that runs are not given as a whole', async (t) => {
  const guest = await connectGuest(task, await dial(t));
  const nothing = { without: [], withoutStarting: [], asInImage: [], withoutLines: [], withoutTextsOf: [] };
  await assert.rejects(guest.readRoot(task, { ...nothing, withoutLinksTo: [] }), { code: 'GUEST_REFUSED' });
});

async function untilReady(stream: Duplex): Promise<void> {
  const reader = new FrameReader();
  for await (const bytes of on(stream, 'data')) {
    const frames = reader.push(bytes[0] as Buffer);
    if (frames.some(({ type, payload }) => type === FRAME.STDOUT && textOf(payload) === 'ready\n')) return;
  }
}

async function dial(t: TestContext, ...still: string[]) {
  const path = join(await temporaryFolder(t), 'agent.sock');
  const socket = watchForSocket(path);
  const agent = spawn(AGENT, ['--serve', path, ...still], { stdio: 'inherit' });
  const closed = once(agent, 'close');
  let line: Socket | undefined;
  t.after(async () => {
    line?.destroy(); // first: the agent may not have read all of it
    agent.kill('SIGKILL');
    await closed;
  });
  await socket.appeared;
  socket.stop();
  line = await connectSocket(Task.background(), path);
  return line;
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-agent-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
