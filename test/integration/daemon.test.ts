/** The daemon: one for a state folder, careful with what it finds, and gone when told. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import type { DaemonStatus } from '@banger/contract/api/system.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { AT_BOOT } from '@banger/contract/daemon-start.ts';
import { DRIVER_NAMES } from '@banger/contract/driver-names.ts';
import { readProcessRef } from '../../packages/daemon/src/platform/processes.ts';
import { CHECKOUT, createHome } from '../support/banger-home.ts';
import { createFakeHome } from '../support/fake-home.ts';

const DAEMON_MAIN = join(CHECKOUT, 'packages/daemon/src/main.ts');

test('the daemon starts on demand, outlives the command, and stops when told', async (t) => {
  const home = await createHome(t);
  const none = await home.run(['daemon', 'status']);
  assert.notEqual(none.code, 0);
  await home.json(['vm', 'ls']);
  const status = await home.json<DaemonStatus>(['daemon', 'status']);
  assert.equal(status.vms.total, 0);
  assert.ok(readProcessRef(status.pid));
  const socket = await stat(join(home.paths.runtime, 'daemon.sock'));
  const folder = await stat(home.paths.runtime);
  assert.deepEqual([socket.mode & 0o777, folder.mode & 0o777], [0o600, 0o700]);
  assert.equal((await home.run(['daemon', 'stop'])).code, 0);
  assert.equal(readProcessRef(status.pid), null);
});

test('the next daemon starts from what the first one compiled, though that was killed', async (t) => {
  const home = await createHome(t, { env: { BANGER_TEST_COVERAGE: '' } });
  const compiled = join(home.paths.cache, 'node-compile-cache');
  await rm(compiled, { recursive: true, force: true });
  await home.json(['daemon', 'start']);
  await home.daemonPid(); // by its answer it has done what it does once it is ready
  await home.killDaemon();
  const files = (await readdir(compiled, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const texts = await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1')));
  assert.ok(
    texts.some((text) => text.includes('await shedInheritance(')),
    'the daemon’s program is there',
  );
});

test('machines with --autostart start with the daemon of the system, once a boot of the host', async (t) => {
  const home = await createFakeHome(t);
  for (const name of ['first', 'second']) await home.json(['vm', 'create', '--name', name, '--autostart']);
  await home.json(['vm', 'create', '--name', 'plain']);
  await home.json(['vm', 'set', 'second', '--autostart', 'off']);
  await home.json(['vm', 'create', '--name', 'third', '--autostart']);
  await home.json(['daemon', 'stop']);

  const states = (vms: Vm[]) => Object.fromEntries(vms.map(({ name, state }) => [name, state.is]));
  await startAtBoot(home.env);
  const mark = join(home.paths.state, 'started-at-boot');
  const started = await home.untilVms(() => existsSync(mark));
  assert.deepEqual(states(started), { first: 'running', second: 'stopped', plain: 'stopped', third: 'running' });

  await home.json(['vm', 'stop', 'first']);
  await home.json(['daemon', 'stop']);
  await startAtBoot(home.env);
  const { vms } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
  assert.equal(states(vms).first, 'stopped', 'what was stopped since stays stopped');
});

/** As the unit of systemd does; resolves when it answers. */
async function startAtBoot(env: Record<string, string>): Promise<void> {
  const words = ['--require', join(CHECKOUT, 'packages/cli/src/find-sources.cts'), DAEMON_MAIN, 'serve', AT_BOOT];
  const daemon = spawn(process.execPath, words, { env, detached: true, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const said = daemon.stdio[3] as Readable;
  assert.match(String((await once(said, 'data'))[0]), /"ready":true/);
  said.destroy();
  daemon.unref();
}

test('ten commands at once start one daemon', async (t) => {
  const home = await createHome(t);
  const statuses = await Promise.all(Array.from({ length: 10 }, () => home.run(['vm', 'ls', '--json'])));
  assert.deepEqual(
    statuses.map(({ code, stderr }) => [code, stderr]),
    Array(10).fill([0, '']),
  );
  const log = await readFile(join(home.paths.state, 'daemon.log'), 'utf8');
  assert.equal(log.match(/listening on/g)?.length, 1);
});

test('a second daemon for the same state is refused, whatever its socket', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'ls']);
  await mkdir(join(home.folder, 'run2'), { mode: 0o700 });
  const daemon = spawn(process.execPath, [join(CHECKOUT, 'packages/daemon/src/main.ts'), 'serve'], {
    env: { ...home.env, XDG_RUNTIME_DIR: join(home.folder, 'run2') },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const lines: Buffer[] = [];
  daemon.stdio[3]?.on('data', (chunk: Buffer) => lines.push(chunk));
  await once(daemon, 'close');
  assert.equal(JSON.parse(Buffer.concat(lines).toString()).error.code, 'DAEMON_ALREADY_RUNNING');
});

test('a socket that a dead daemon left is no obstacle', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'ls']);
  await home.killDaemon();
  await stat(join(home.paths.runtime, 'daemon.sock'));
  await home.json(['vm', 'ls']);
});

test('something else on the socket is told apart from a daemon', async (t) => {
  const home = await createHome(t);
  await mkdir(home.paths.runtime, { recursive: true });
  const stranger = createServer((socket) => socket.end('220 hello\r\n')).listen(
    join(home.paths.runtime, 'daemon.sock'),
  );
  await once(stranger, 'listening');
  const { code, stderr } = await home.run(['vm', 'ls']);
  assert.match(stderr, /DAEMON_UNREACHABLE/);
  assert.equal(code, 69);
  stranger.close();
});

test('a state from a newer version is refused with a hint, and not touched', async (t) => {
  const home = await createHome(t);
  const path = join(home.paths.state, 'state.sqlite');
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 999');
  database.close();
  const { code, stderr } = await home.run(['vm', 'ls']);
  assert.match(stderr, /STATE_TOO_NEW/);
  assert.equal(code, 78);
  assert.equal(new DatabaseSync(path, { readOnly: true }).prepare('PRAGMA user_version').get()?.user_version, 999);
});

test('a state that is no database is refused, and not touched', async (t) => {
  const home = await createHome(t);
  await writeFile(join(home.paths.state, 'state.sqlite'), 'not a database, but somebody’s file '.repeat(50));
  const { stderr } = await home.run(['vm', 'ls']);
  assert.match(stderr, /STATE_UNREADABLE/);
  assert.match(await readFile(join(home.paths.state, 'state.sqlite'), 'utf8'), /^not a database/);
});

test('a runtime folder with too long a path is refused with what to do', async (t) => {
  const home = await createHome(t);
  const { code, stderr } = await home.run(['vm', 'ls'], { env: { XDG_RUNTIME_DIR: `/tmp/${'x'.repeat(120)}` } });
  assert.match(stderr, /PATH_TOO_LONG[\s\S]*XDG_RUNTIME_DIR/);
  assert.equal(code, 78);
});

test('a run with every XDG folder elsewhere touches nothing of the user', async (t) => {
  const home = await createFakeHome(t);
  assert.equal((await home.run(['vm', 'run', '--rm', '--', 'true'])).code, 0);
  assert.deepEqual(await readdir(join(home.folder, 'home')), []);
});

for (const driver of DRIVER_NAMES) {
  test(`${driver}: a daemon that stops lets its machines run on, except those that lived for a command`, async (t) => {
    const home = await createFakeHome(t, {}, driver);
    await home.json(['vm', 'create', '--name', 'stays']);
    await home.json(['vm', 'start', 'stays']);
    const passing = home.start(['vm', 'run', '--rm', '--name', 'goes', '--', 'sh', '-c', 'echo up; sleep 100']);
    await new Promise((resolve) => passing.stdout?.once('data', resolve));
    assert.equal((await home.run(['daemon', 'stop'])).code, 0);
    await home.untilVms((vms) => vms.length === 1);
    assert.equal((await home.run(['vm', 'exec', 'stays', '--', 'echo', 'still here'])).stdout, 'still here\n');
  });
}
