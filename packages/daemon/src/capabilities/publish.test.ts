import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { findFreePort } from '../../../../test/support/free-port.ts';
import type { Log } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { createPublishCapability } from './publish.ts';

const ONE_PORT = 250;

test('connections are counted as use, bounded, and cut when the vm ends or nobody listens in it', async (t) => {
  const port = await findFreePort();
  const vm = { id: '0123456789ab', name: 'web', publish: [{ host: '127.0.0.1', hostPort: port, guestPort: 80 }] };
  let users = 0;
  const leaving: Promise<void>[] = [];
  let isListening = false;
  const publish = createPublishCapability({
    connect: async () => {
      if (!isListening) throw new Error('nobody listens');
      return silent();
    },
    use: () => {
      users += 1;
      const { promise, resolve } = Promise.withResolvers<void>();
      leaving.push(promise);
      return {
        [Symbol.dispose]: () => {
          users -= 1;
          resolve();
        },
      };
    },
    log: { warn: assert.fail } as unknown as Log,
  });
  t.after(() => publish.releaseAll());
  await publish.prepare(Task.background(), vm as unknown as VmRecord);
  await untilClosed(call(port));
  await Promise.all(leaving);
  assert.equal(users, 0);

  isListening = true;
  const callers = Array.from({ length: ONE_PORT + 1 }, () => call(port));
  await Promise.race(callers.map(untilClosed)); // one is too many
  assert.equal(users, ONE_PORT);

  const closed = callers.filter((caller) => !caller.closed).map(untilClosed);
  publish.releaseAll();
  await Promise.all([...closed, ...leaving]);
  assert.equal(users, 0);
  const [refused] = await once(connect(port, '127.0.0.1'), 'error');
  assert.equal(refused.code, 'ECONNREFUSED');
});

test('a port that may be taken is left out with a word, and the others are open', async (t) => {
  const [taken, free] = [await findFreePort(), await findFreePort()];
  const other = createServer().listen(taken, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const warned: string[] = [];
  const publish = createPublishCapability({
    connect: async () => silent(),
    use: () => ({ [Symbol.dispose]: () => {} }),
    log: { warn: (text: string) => warned.push(text) } as unknown as Log,
  });
  t.after(() => publish.releaseAll());
  const port = (hostPort: number, ifFree?: true) => ({
    host: '127.0.0.1',
    hostPort,
    guestPort: 80,
    ...(ifFree && { ifFree }),
  });
  const vm = (...ports: object[]) => ({ id: '0123456789ab', name: 'web', publish: ports }) as unknown as VmRecord;

  const notes: string[] = [];
  const task = new Task(new AbortController().signal, (event) => event.is === 'note' && notes.push(event.text));
  await publish.prepare(task, vm(port(taken, true), port(free)));
  assert.match(
    notes.join(),
    /port \d+ cannot be listened on: another program listens there; "banger vm forward web 0:80"/,
  );
  const open = connect(free, '127.0.0.1');
  await once(open, 'connect');
  open.destroy();

  await publish.adopt(vm(port(taken, true)));
  assert.match(warned.join(), /^vm web: 127\.0\.0\.1 port/);
  await assert.rejects(publish.prepare(task, vm(port(taken))), { code: 'PORT_TAKEN' });
});

/** A guest that says nothing and takes everything. */
function silent(): Duplex {
  return new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
}

function call(port: number): Socket {
  return connect(port, '127.0.0.1')
    .on('error', () => {})
    .resume();
}

/** However: `once` would throw at a reset. */
function untilClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
