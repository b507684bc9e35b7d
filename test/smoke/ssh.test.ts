/** Story: the ssh that is on the host, and all that is built on it, works with a machine as with any other. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { GuestPorts } from '@banger/contract/guest/messages.ts';
import { createHome, type Home } from '../support/banger-home.ts';
import { findFreePort } from '../support/free-port.ts';
import { openScreen } from '../support/screen.ts';

const CONFIG_BEFORE = Buffer.from(
  '# mine, in latin-1: \xe9\nHost *\n  StrictHostKeyChecking no\n  User nobody',
  'latin1',
);
/** Reads to the end of what it is sent, and only then answers */
const COUNTING_SERVER = `use IO::Socket::INET; my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
  LocalPort => 8080, Listen => 8, ReuseAddr => 1) or die; while (my $caller = $server->accept) { my $count = 0;
  while (my $n = sysread($caller, my $buffer, 65536)) { $count += $n } print $caller "got $count\\n"; close $caller }`;

test('ssh and files', async (t) => {
  const home = await createHome(t);
  const banger = (...args: string[]) => home.run(args);
  const userConfig = join(home.env.HOME ?? '', '.ssh/config');
  await mkdir(join(home.env.HOME ?? '', '.ssh'), { mode: 0o700 });
  await writeFile(userConfig, CONFIG_BEFORE, { mode: 0o640 });
  await home.json(['vm', 'create', '--name', 'web', '--memory', '512M', '--start']);

  await t.test('a machine that has just booted takes a command, asks nothing, and gives its exit code', async () => {
    const { code, stdout, stderr } = await banger('vm', 'ssh', 'web', '--', 'echo "$USER on $(hostname)"; exit 7');
    assert.deepEqual([code, stdout, stderr], [7, 'root on web\n', '']);
  });

  await t.test('several words stay apart, and stdin goes in', async () => {
    const args = ['vm', 'ssh', 'web', '--', 'sh', '-c', 'echo "$1"; cat', 'sh', "a  'b'"];
    const { code, stdout } = await home.run(args, { stdin: 'typed\n' });
    assert.deepEqual([code, stdout], [0, "a  'b'\ntyped\n"]);
  });

  await t.test('the host key was made here, and a machine with another one is not talked to', async () => {
    const known = join(home.paths.data, 'ssh/known_hosts/web.vm');
    assert.match(await readFile(known, 'utf8'), /^web\.vm ssh-ed25519 \S+\n$/);
    assert.equal((await stat(join(home.paths.data, 'ssh/id_ed25519'))).mode & 0o777, 0o600);
    const key = '/etc/ssh/banger_host_ed25519_key';
    const forge = `mv ${key} /root/real && ssh-keygen -q -t ed25519 -N "" -f ${key}`;
    assert.equal((await banger('vm', 'exec', 'web', '--', 'sh', '-c', forge)).code, 0);
    const { code, stderr } = await banger('vm', 'ssh', 'web', '--', 'true');
    assert.equal(code, 255);
    assert.match(stderr, /Host key verification failed/);
    assert.equal((await banger('vm', 'exec', 'web', '--', 'mv', '/root/real', key)).code, 0);
  });

  await t.test('ssh-config adds its lines once, and other programs find the machine by name', async () => {
    assert.equal((await banger('ssh-config', '--install')).code, 0);
    assert.match((await banger('ssh-config', '--install')).stdout, /installed already/);
    const { code, stdout } = await program(home, 'ssh', ['-F', userConfig, 'web.vm', 'echo $USER']);
    assert.deepEqual([code, stdout], [0, 'root\n']);
  });

  await t.test('a language that the machine lacks does not come along', async () => {
    const language = ['-o', 'SetEnv=LC_ALL=de_DE.UTF-8 LC_TIME=de_DE.UTF-8'];
    const words = ['-F', userConfig, ...language, 'web.vm', 'echo "$LANG [$LC_ALL$LC_TIME]"; locale >/dev/null'];
    const { code, stdout, stderr } = await program(home, 'ssh', words);
    assert.deepEqual([code, stdout, stderr], [0, 'C.UTF-8 []\n', '']);
  });

  await t.test('whoever leaves a shell is told that the machine goes on, and how it stops', async (t) => {
    const screen = await openScreen(t, home, { cols: 120 });
    await screen.type('banger vm ssh web');
    await screen.until(/^root@web:~#/m);
    await screen.type('exit 5');
    await screen.until(/^web goes on running: "banger vm stop web" stops it/m);
    await screen.type('echo ended: $?');
    await screen.until(/^ended: 5$/m);
  });

  await t.test('another user of the machine gets in by the same key', async () => {
    assert.equal((await banger('vm', 'exec', 'web', '--', 'useradd', '-m', '-s', '/bin/sh', 'dev')).code, 0);
    const { code, stdout } = await banger('vm', 'ssh', 'web', '--user', 'dev', '--', 'id -un; pwd');
    assert.deepEqual([code, stdout], [0, 'dev\n/home/dev\n']);
  });

  const sent = join(home.folder, 'sent');
  const content = randomBytes(3_000_000);
  await mkdir(join(sent, 'a folder'), { recursive: true });
  await writeFile(join(sent, 'a folder/file'), content);
  const back = (name: string) => readFile(join(home.folder, name));

  await t.test('scp copies in and out', async () => {
    const scp = (...words: string[]) => program(home, 'scp', ['-q', '-F', userConfig, ...words]);
    assert.equal((await scp('-r', sent, 'web.vm:/root/by-scp')).code, 0);
    assert.equal((await scp('web.vm:/root/by-scp/a folder/file', join(home.folder, 'by-scp'))).code, 0);
    assert.deepEqual(await back('by-scp'), content);
  });

  await t.test('sftp does too', async () => {
    const batch = `put "${sent}/a folder/file" /root/by-sftp\nget /root/by-sftp "${home.folder}/by-sftp"\n`;
    const { code, stderr } = await program(home, 'sftp', ['-q', '-F', userConfig, '-b', '-', 'web.vm'], batch);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await back('by-sftp'), content);
  });

  await t.test('rsync does too', async () => {
    const rsync = (...words: string[]) => program(home, 'rsync', ['-a', '-e', `ssh -F ${userConfig}`, ...words]);
    const { code, stderr } = await rsync(`${sent}/`, 'web.vm:/root/by-rsync/');
    assert.equal(code, 0, stderr);
    assert.equal((await rsync('web.vm:/root/by-rsync/a folder/file', join(home.folder, 'by-rsync'))).code, 0);
    assert.deepEqual(await back('by-rsync'), content);
  });

  await banger('vm', 'exec', '--detach', 'web', '--', 'perl', '-e', COUNTING_SERVER);
  await home.untilOutput(['vm', 'ports', 'web'], ({ stdout }) => stdout.includes('8080'));

  await t.test('what listens in the machine is told, with the names of the programs', async () => {
    const { ports } = await home.json<GuestPorts>(['vm', 'ports', 'web']);
    const mine = ports.find(({ port }) => port === 8080);
    assert.deepEqual(
      { ...mine, pid: 0 },
      { protocol: 'tcp', port: 8080, address: '127.0.0.1', pid: 0, process: 'perl' },
    );
  });

  await t.test('ssh -L carries connections to it', async (t) => {
    const socket = join(home.folder, 'tunnel.sock');
    const words = ['-F', userConfig, '-L', `${socket}:127.0.0.1:8080`, 'web.vm', 'echo ready; cat'];
    const tunnel = startProgram(t, home, 'ssh', words);
    await untilLine(tunnel, /ready/);
    assert.equal(await ask(socket, content.subarray(0, 100_000)), 'got 100000\n');
  });

  await t.test('an editor finds its way: one shared connection, a script on stdin, a SOCKS port', async (t) => {
    const control = join(home.folder, 'control.sock');
    const port = await findFreePort();
    const shared = ['-M', '-S', control, '-D', `127.0.0.1:${port}`, 'web.vm', 'echo ready; cat'];
    await untilLine(startProgram(t, home, 'ssh', ['-F', userConfig, ...shared]), /ready/);
    const script = 'cd / && echo "in $PWD on $(hostname)"; exit 6';
    const { code, stdout } = await program(
      home,
      'ssh',
      ['-F', userConfig, '-S', control, '-T', 'web.vm', 'sh'],
      script,
    );
    assert.deepEqual([code, stdout], [6, 'in / on web\n']);
    assert.equal(await askBySocks(port, 8080, Buffer.from('five\n')), 'got 5\n');
  });

  await t.test('vm proxy carries one', async () => {
    const { stdout } = await home.run(['vm', 'proxy', 'web', '8080'], { stdin: 'five\n' });
    assert.equal(stdout, 'got 5\n');
  });

  await t.test(
    'vm forward carries many, tells of a port where nobody listens, and ends with the machine',
    async (t) => {
      const forward = startProgram(t, home, 'banger', ['vm', 'forward', 'web', '0:8080', '0:9']);
      let said = '';
      forward.stderr?.on('data', (bytes) => {
        said += bytes;
      });
      const [, open, closed] = await untilLine(forward, /:(\d+) -> web port 8080\n.*:(\d+) -> web port 9\n/);
      const answers = await Promise.all(
        [1, 70_000, 3_000_000].map((size) => ask(Number(open), content.subarray(0, size))),
      );
      assert.deepEqual(answers, ['got 1\n', 'got 70000\n', 'got 3000000\n']);
      await assert.rejects(ask(Number(closed), Buffer.from('x')), { code: 'ECONNRESET' });
      const ended = once(forward, 'close');
      assert.equal((await banger('vm', 'stop', 'web')).code, 0);
      assert.deepEqual(await ended, [70, null]);
      assert.match(said, /port 9: Connection refused.*\(PORT_REFUSED\)/);
      assert.match(said, /"web" has stopped.*\(VM_LOST\)/);
    },
  );

  await t.test('afterwards the host is as it was', async () => {
    assert.equal((await banger('ssh-config', '--uninstall')).code, 0);
    assert.deepEqual(await readFile(userConfig), CONFIG_BEFORE);
    assert.equal((await stat(userConfig)).mode & 0o777, 0o640);
    assert.deepEqual(await readdir(join(home.env.HOME ?? '', '.ssh')), ['config']);
    assert.equal((await banger('vm', 'rm', 'web')).code, 0);
    assert.deepEqual(await readdir(join(home.paths.data, 'ssh/known_hosts')), []);
  });
});

function startProgram(t: TestContext, home: Home, name: string, words: string[]): ChildProcess {
  if (name === 'banger') return home.start(words);
  const child = spawn(name, words, { env: home.env, stdio: 'pipe' });
  t.after(() => child.kill());
  return child;
}

async function program(home: Home, name: string, words: string[], stdin = '') {
  const child = spawn(name, words, { env: home.env, stdio: 'pipe', timeout: 120_000 });
  child.stdin.on('error', () => {}); // one that does not read is not a fault here
  child.stdin.end(stdin);
  const [stdout, stderr, [code]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    once(child, 'close'),
  ]);
  return { code: code as number | null, stdout, stderr };
}

async function textOf(stream: Readable): Promise<string> {
  return Buffer.concat(await stream.toArray()).toString('utf8');
}

/** Reads stdout until it has the text. */
async function untilLine({ stdout }: ChildProcess, wanted: RegExp): Promise<RegExpExecArray> {
  let said = '';
  for await (const bytes of stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    said += bytes;
    const found = new RegExp(wanted, 's').exec(said);
    if (found) return found;
  }
  throw new Error(`it ended after: ${said}`);
}

/** Sends all, ends its half, and gives what comes back. */
async function ask(where: string | number, bytes: Buffer): Promise<string> {
  const socket =
    typeof where === 'string'
      ? connect({ path: where, allowHalfOpen: true })
      : connect({ port: where, allowHalfOpen: true });
  socket.end(bytes);
  return textOf(socket);
}

/** The same through a SOCKS 5 proxy, to a port of the machine's own loopback. */
async function askBySocks(proxyPort: number, port: number, bytes: Buffer): Promise<string> {
  const host = 'localhost';
  const target = Buffer.from([5, 1, 0, 3, host.length, ...Buffer.from(host), port >> 8, port & 0xff]);
  const socket = connect({ port: proxyPort, host: '127.0.0.1', allowHalfOpen: true });
  socket.write(Buffer.from([5, 1, 0])); // version 5, one method: no authentication
  assert.deepEqual(await readExactly(socket, 2), Buffer.from([5, 0]));
  socket.write(target);
  assert.equal((await readExactly(socket, 10))[1], 0, 'the proxy has connected');
  socket.end(bytes);
  return textOf(socket);
}

async function readExactly(stream: Readable, length: number): Promise<Buffer> {
  for (;;) {
    const bytes = stream.read(length) as Buffer | null;
    if (bytes !== null) return bytes;
    await once(stream, 'readable');
  }
}
