import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Task } from '../platform/task.ts';
import { connectSocket, watchForSocket } from '../platform/unix-sockets.ts';
import { createPrivileged, refusalOf, unreachable } from './privileged.ts';

const HELPER = join(import.meta.dirname, '../../../../host/root/target/x86_64-unknown-linux-gnu/release/banger-root');
const VM = '0123456789ab';
const task = Task.background();

test('the real helper is asked, and answers', async (t) => {
  const helper = await realHelper(t);
  const { owner, version } = await helper.ask(task, 'report', {});
  assert.deepEqual([owner, version], [1000, '0.1.0']);
  const { taps, names, subnets } = await helper.ask(task, 'list', {});
  assert.deepEqual([taps, names, subnets.length], [[], [], 12]);
  await helper.ask(task, 'detach', { vm: VM });
  // Nobody but this user is in the namespaces that it runs in, and so not its owner either.
  const attach = { vm: VM, subnet: 0, lease: 16, reach: [] };
  const why = `bgr${VM}: Invalid argument (os error 22)`;
  await assert.rejects(helper.ask(task, 'attach', attach), { details: { refusal: 'FAILED', why } });
});

test('many ask at once, and each is answered', async (t) => {
  const helper = await realHelper(t);
  const answers = await Promise.all(Array.from({ length: 50 }, () => helper.ask(task, 'report', {})));
  assert.equal(new Set(answers.map(({ owner }) => owner)).size, 1);
});

test('without a helper it is told that there is none', async (t) => {
  const helper = createPrivileged({ socketPath: join(await folderOf(t), 'none.sock') });
  await assert.rejects(helper.ask(task, 'list', {}), { code: 'HELPER_MISSING' });
});

test('a socket that is closed to this user is told as the helper of another', () => {
  const closed = unreachable('/run/banger-root.sock', Object.assign(new Error('connect EACCES'), { code: 'EACCES' }));
  assert.deepEqual([closed.code, refusalOf(closed)?.code], ['HELPER_REFUSED', 'NOT_ALLOWED']);
});

test('an answer that is none is a fault, whatever it is', async (t) => {
  const answers = [
    '',
    '\n',
    'null',
    '[]',
    '{"done":',
    '{"done":{"taps":1}}',
    '{"refused":{"code":"OTHER","message":"x"}}',
  ];
  let next = 0;
  const helper = await fakeHelper(t, (socket) => socket.end(answers[next++] ?? ''));
  for (const answer of answers) {
    await assert.rejects(helper.ask(task, 'list', {}), { code: 'HELPER_REFUSED' }, answer);
  }
});

test('an answer that does not end is not waited for', async (t) => {
  const helper = await fakeHelper(t, (socket) => {
    const more = () => socket.writable && socket.write(Buffer.alloc(1 << 20, ' '), () => setImmediate(more));
    more();
  });
  await assert.rejects(helper.ask(task, 'list', {}), { code: 'HELPER_REFUSED', message: /does not end/ });
});

test('a helper that says nothing is left when the task is cancelled, and its late answer is never that of the next one', async (t) => {
  const swept = (vm: string) => ({ detached: [vm], held: [] });
  const lineOf = (vm: string) => `${JSON.stringify({ done: swept(vm) })}\n`;
  const other = 'ba9876543210';
  const [isAsked, isAnswered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let late: Socket | null = null;
  const helper = await fakeHelper(t, (socket) => {
    if (late === null) {
      late = socket;
      isAsked.resolve();
      return;
    }
    late.end(lineOf(VM), isAnswered.resolve); // before the next one is answered
    void isAnswered.promise.then(() => socket.end(lineOf(other)));
  });
  const cancelled = new AbortController();
  const asking = helper.ask(task.withSignal(cancelled.signal), 'sweep', { known: [] });
  const asksNext = helper.ask(task, 'sweep', { known: [] });
  await isAsked.promise;
  cancelled.abort();
  await assert.rejects(asking, { code: 'CANCELLED' });
  assert.deepEqual(await asksNext, swept(other));
});

test('what the helper would refuse is not sent', async (t) => {
  const helper = await fakeHelper(t, () => assert.fail('it was asked'));
  await assert.rejects(helper.ask(task, 'detach', { vm: '../etc' }));
  await assert.rejects(helper.ask(task, 'sweep', { known: Array.from({ length: 5000 }, () => VM) }));
});

/** In a network of its own, in which it is root. */
async function realHelper(t: TestContext) {
  const folder = await folderOf(t);
  const [socketPath, install] = [join(folder, 'root.sock'), join(folder, 'install.json')];
  await writeFile(install, JSON.stringify({ owner: { uid: 1000 } }), { mode: 0o644 });
  const { appeared, stop } = watchForSocket(socketPath);
  const alone = ['--user', '--map-root-user', '--net', HELPER, '--socket', socketPath, '--install', install];
  const child = spawn('unshare', alone, { stdio: 'ignore' });
  t.after(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  await Promise.race([appeared, once(child, 'exit').then(() => assert.fail('the helper ended'))]).finally(stop);
  (await connectSocket(task, socketPath)).destroy(); // it listens
  return createPrivileged({ socketPath });
}

async function fakeHelper(t: TestContext, answer: (socket: Socket) => void) {
  const socketPath = join(await folderOf(t), 'root.sock');
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  server.listen(socketPath);
  await once(server, 'listening');
  t.after(() => server.close());
  return createPrivileged({ socketPath });
}

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-privileged-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}
