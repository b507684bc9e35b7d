import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Task } from '../platform/task.ts';
import { addressBytes, CODES, KINDS, readQuestion, writeAnswer } from './message.ts';
import { seeNames } from './see-names.ts';

const PORT = 15_354;
const [OURS, ANOTHERS, NOBODYS] = ['127.62.3.1', '127.62.3.2', '127.62.3.3'];
const RESOLVED = 'run/systemd/resolve/io.systemd.Resolve';
const task = Task.background();

test('an address counts as answered when what answers there says that it is this address', async (t) => {
  await serve(t, OURS, OURS);
  await serve(t, ANOTHERS, OURS);
  const parts = { hostRoot: '/none', port: PORT, resolve: async () => OURS };
  assert.deepEqual(await seeNames(task, [OURS, ANOTHERS, NOBODYS], parts), {
    silent: [ANOTHERS, NOBODYS],
    resolvesTo: OURS,
    asks: 'others',
  });
});

test('what the programs of the host are told is asked as they ask, and a name that takes too long is unknown', async () => {
  const asked: string[] = [];
  const slow = async (given: Task, name: string) => {
    asked.push(name);
    return given.race(new Promise<string>(() => {}));
  };
  const parts = { hostRoot: '/none', port: PORT, resolve: slow };
  assert.equal((await seeNames(task, [], parts)).resolvesTo, null);
  assert.deepEqual(asked, ['_names.vm']);
  const { resolvesTo } = await seeNames(task, [], { hostRoot: '/none', port: PORT });
  assert.notEqual(resolvesTo, '', 'a host that does not know it says so');
});

test('what a host asks with is seen by what runs, and by where its programs are sent', async (t) => {
  const found = async (files: Record<string, string>) => {
    const hostRoot = await folderWith(t, files);
    return (await seeNames(task, [], { hostRoot, resolve: async () => null })).asks;
  };
  const elsewhere = { 'etc/resolv.conf': 'nameserver 192.0.2.1\n', 'etc/nsswitch.conf': 'hosts: files dns\n' };
  assert.equal(await found(elsewhere), 'others');
  assert.equal(await found({ [RESOLVED]: '', ...elsewhere }), 'resolved-unused');
  assert.equal(await found({ [RESOLVED]: '' }), 'resolved-unused');
  assert.equal(await found({ [RESOLVED]: '', 'etc/resolv.conf': 'nameserver 127.0.0.53\n' }), 'resolved');
  const byName = { ...elsewhere, 'etc/nsswitch.conf': 'hosts: files resolve [!UNAVAIL=return] dns\n' };
  assert.equal(await found({ [RESOLVED]: '', ...byName }), 'resolved');
  assert.equal(await found({ 'run/NetworkManager/devices': '', ...elsewhere }), 'network-manager');
  assert.equal(await found({ 'run/NetworkManager/dnsmasq.pid': '1\n', ...elsewhere }), 'network-manager-dnsmasq');
});

/** Somebody at this address, who says where they are. */
async function serve(t: TestContext, address: string, said: string): Promise<void> {
  const socket = createSocket('udp4').on('message', (message, { port }) => {
    const read = readQuestion(message);
    assert.ok(read.is === 'question');
    const answer = { name: 'asked', kind: KINDS.A, ttlSeconds: 1, data: addressBytes(said) } as const;
    socket.send(writeAnswer(read.question, { code: CODES.none, answers: [answer] }), port, '127.0.0.1');
  });
  socket.bind(PORT, address);
  await once(socket, 'listening');
  t.after(() => socket.close());
}

async function folderWith(t: TestContext, files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-see-names-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}
