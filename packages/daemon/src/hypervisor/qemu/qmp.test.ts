import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Task } from '../../platform/task.ts';
import { QmpConnection, type QmpEvent } from './qmp.ts';

const task = Task.background();
const GREETING = '{"QMP":{"version":{},"capabilities":[]}}\n';

test('commands are answered by their ids, with events in between', async (t) => {
  const { connection, events } = await connectTo(t, (command, socket) => {
    socket.write('{"event":"RESUME","timestamp":{}}\n');
    if (command.execute === 'fail') socket.write(`{"id":${command.id},"error":{"class":"X","desc":"not now"}}\n`);
    else socket.write(`{"id":${command.id},"return":{"status":"${command.execute}"}}\n`);
  });
  const both = await Promise.all([connection.execute(task, 'one'), connection.execute(task, 'two')]);
  assert.deepEqual(both, [{ status: 'one' }, { status: 'two' }]);
  await assert.rejects(connection.execute(task, 'fail'), { code: 'HYPERVISOR_FAILED', message: /not now/ });
  assert.equal(events[0]?.name, 'RESUME');
});

test('a command ends with the connection, and with its task', async (t) => {
  const { connection, socket } = await connectTo(t, (command, socket) => {
    if (command.execute === 'qmp_capabilities') socket.write(`{"id":${command.id},"return":{}}\n`);
  });
  const impatient = task.withSignal(AbortSignal.timeout(20));
  await assert.rejects(connection.execute(impatient, 'hang'), { code: 'TIMED_OUT' });
  const hanging = connection.execute(task, 'hang');
  socket().destroy();
  await assert.rejects(hanging, { code: 'HYPERVISOR_FAILED' });
  await connection.closed;
  await assert.rejects(connection.execute(task, 'late'), { code: 'HYPERVISOR_FAILED' });
});

test('what is not QMP, and a line without end, close the connection', async (t) => {
  for (const nonsense of ['HTTP/1.1 200\n', '{"id":1}\n', 'x'.repeat(100_000)]) {
    const { connection, socket } = await connectTo(t, (command, socket) =>
      socket.write(`{"id":${command.id},"return":{}}\n`),
    );
    socket().write(nonsense);
    await connection.closed;
  }
});

type Command = { execute: string; id: number };

async function connectTo(t: TestContext, answer: (command: Command, socket: Socket) => void) {
  const folder = await mkdtemp(join(tmpdir(), 'banger-qmp-'));
  let client: Socket | null = null;
  const server = createServer((socket) => {
    client = socket.on('error', () => {});
    socket.write(GREETING);
    socket.on('data', (bytes) => {
      for (const line of bytes.toString().trim().split('\n')) answer(JSON.parse(line), socket);
    });
  }).listen(join(folder, 'qmp.sock'));
  await once(server, 'listening');
  const events: QmpEvent[] = [];
  const connection = await QmpConnection.connect(task, join(folder, 'qmp.sock'), (event) => events.push(event));
  t.after(async () => {
    connection.close();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { connection, events, socket: () => client as unknown as Socket };
}
