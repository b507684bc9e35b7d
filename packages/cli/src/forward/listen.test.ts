import assert from 'node:assert/strict';
import { connect, Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { listen } from './listen.ts';

test('a connection that the system could not take is told, and the next one is taken', async (t) => {
  const { promise: server, resolve } = Promise.withResolvers<Server>();
  const original = Server.prototype.listen;
  t.mock.method(Server.prototype, 'listen', function (this: Server, ...args: Parameters<Server['listen']>) {
    resolve(this);
    return original.apply(this, args);
  });
  const refused: unknown[] = [];
  const { promise: asked, resolve: ask } = Promise.withResolvers<number>();
  const listening = await listen({
    forward: { host: '127.0.0.1', hostPort: 0, guestPort: 80 },
    connect: async (port): Promise<Socket> => {
      ask(port);
      throw new Error('no guest');
    },
    onRefused: (thrown) => refused.push(thrown),
  });
  t.after(async () => (await server).close());

  const fault = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' });
  (await server).emit('error', fault);
  assert.deepEqual(refused, [fault]);

  const caller = connect(listening.hostPort, '127.0.0.1').on('error', () => {});
  assert.equal(await asked, 80);
  await new Promise((resolve) => caller.once('close', resolve)); // an error of the caller's is no matter
  assert.equal(refused.length, 2);
});
