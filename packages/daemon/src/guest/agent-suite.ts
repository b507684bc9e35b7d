/**
 * What the agent promises the daemon, as tests: the real one and the fake of the tests are held to the same, so that a
 * test against the fake says something about a machine.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type Duplex, Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { encodeFrame, FRAME, FrameReader, textOf } from '@banger/contract/guest/frames.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import { Task } from '../platform/task.ts';
import { connectGuest, followCommand, type Guest } from './guest.ts';

export type AgentHarness = {
  /** A new line to the agent; the one before it ends */
  dial(t: TestContext): Promise<Duplex>;
  /** Two folders of the guest's without files */
  folders(t: TestContext): Promise<[string, string]>;
  /** A line to one whose machine was booted only to read its files, and where these and those of its image are on this host */
  dialStill?: (t: TestContext) => Promise<{ line: Duplex; root: string; image: string }>;
  /** Whose commands run; the guest's root unless it says otherwise */
  user?: string;
};

const task = Task.background();
const START: ExecStart = { argv: [], env: {}, cwd: '/', user: null, tty: null, stdin: true, keep: false };

export function testAgent(name: string, { dial, folders, dialStill, user }: AgentHarness): void {
  const story = (title: string, run: (t: TestContext) => Promise<void>) => test(`${name}: ${title}`, run);
  const connect = async (t: TestContext) => connectGuest(task, await dial(t));
  const as = user === undefined ? {} : { user };
  const run = (guest: Guest, argv: string[], options: Parameters<Guest['run']>[2] = {}) =>
    guest.run(task, argv, { ...as, cwd: '/', ...options });

  story('a command runs, and its exit code, output and errors come back apart', async (t) => {
    const guest = await connect(t);
    const { exit, stdout, stderr } = await run(guest, ['sh', '-c', 'echo out; echo err >&2; exit 3']);
    assert.deepEqual([exit, stdout.toString(), stderr.toString()], [{ code: 3 }, 'out\n', 'err\n']);
  });

  story('a command that is killed by a signal says which', async (t) => {
    const guest = await connect(t);
    assert.deepEqual((await run(guest, ['sh', '-c', 'kill -TERM $$'])).exit, { signal: 'TERM' });
  });

  story('megabytes go in and come out as they were, and output beyond the bound is dropped', async (t) => {
    const guest = await connect(t);
    const stdin = randomBytes(8 * 1024 * 1024);
    const { stdout } = await run(guest, ['cat'], { stdin, maxOutputBytes: 32 * 1024 * 1024 });
    assert.equal(stdout.equals(stdin), true);
    const bounded = await run(guest, ['cat'], { stdin, maxOutputBytes: 1000 });
    assert.equal(bounded.stdout.equals(stdin.subarray(0, 1000)), true);
  });

  story('what the agent refuses becomes an error of ours', async (t) => {
    const guest = await connect(t);
    await assert.rejects(run(guest, ['no-such-command']), { code: 'COMMAND_NOT_FOUND' });
    await assert.rejects(run(guest, ['/etc/passwd']), { code: 'COMMAND_NOT_EXECUTABLE' });
    await assert.rejects(run(guest, ['true'], { cwd: '/nowhere' }), { code: 'GUEST_PATH' });
    await assert.rejects(guest.run(task, ['true'], { user: 'no-such-user' }), { code: 'USER_NOT_FOUND' });
    await assert.rejects(guest.statPath(task, '/nowhere'), { code: 'GUEST_PATH' });
    await assert.rejects(guest.readTar(task, '/nowhere'), { code: 'GUEST_PATH' });
    await assert.rejects(guest.endSession(task, 'none'), { code: 'SESSION_NOT_FOUND' });
    await assert.rejects(guest.signalSession(task, 'none', 'INT'), { code: 'SESSION_NOT_FOUND' });
    await assert.rejects(run(guest, ['true', 'x'.repeat(200_000)]), { code: 'COMMAND_TOO_LONG' });
  });

  story('what an image says counts for the commands that ask for it, and for no other', async (t) => {
    const guest = await connect(t);
    const [workingDir] = await folders(t);
    const say = 'echo "$MODE $PLACE"; pwd';
    await guest.useImage(task, {
      ...{ env: ['MODE=image', 'PLACE=there'], user: null, workingDir, stopSignal: null },
      ...{ entrypoint: ['sh', '-c'], command: [say] },
    });
    const saidBy = async (start: Partial<ExecStart>) => {
      const lines: Buffer[] = [];
      const stream = await guest.exec(task, { ...START, ...as, cwd: null, ...start });
      const exit = await followCommand(task, stream, {
        stdin: undefined,
        onStdout: (bytes) => void lines.push(bytes),
        onStderr: () => {},
      });
      assert.deepEqual(exit, { code: 0 });
      const [variables, cwd] = Buffer.concat(lines).toString().split('\n');
      return [variables, cwd?.endsWith(workingDir)];
    };
    const argv = ['sh', '-c', say];
    assert.deepEqual(await saidBy({ argv: [], image: 'command' }), ['image there', true]);
    assert.deepEqual(await saidBy({ argv: [say], image: 'command', env: { MODE: 'mine' } }), ['mine there', true]);
    assert.deepEqual(await saidBy({ argv, image: 'defaults', cwd: '/' }), ['image there', false]);
    assert.deepEqual(await saidBy({ argv, cwd: '/' }), [' ', false], "banger's own");
  });

  story('a command as long as Linux takes it goes in', async (t) => {
    const guest = await connect(t);
    const words = Array.from({ length: 16 }, () => 'é"'.repeat(40_000));
    const { stdout } = await run(guest, ['sh', '-c', 'printf %s "$@" | wc -c', 'sh', ...words]);
    assert.equal(stdout.toString().trim(), String(16 * 120_000));
  });

  story('a connection into the guest carries bytes both ways after either side has ended', async (t) => {
    const guest = await connect(t);
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume().once('end', () => socket.end(`got ${socket.bytesRead}`));
    });
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
    });
    t.after(() => server.close());
    const connection = await guest.connect(task, port);
    connection.end(Buffer.alloc(3_000_000));
    assert.equal(Buffer.concat(await connection.toArray()).toString(), 'got 3000000');
    server.close();
    await once(server, 'close');
    await assert.rejects(guest.connect(task, port), { code: 'PORT_REFUSED' });
  });

  story('a kept session is listed, attached to with its scrollback, taken over, and ended', async (t) => {
    const guest = await connect(t);
    const first = await guest.exec(task, { ...START, ...as, argv: ['sh', '-c', 'echo hello; cat'], keep: true });
    await once(first, 'data');
    first.destroy();
    const [session] = await guest.sessions(task);
    assert.ok(session);
    const second = await guest.attach(task, session.id);
    const third = await guest.attach(task, session.id);
    await once(second.resume(), 'close');
    third.write(encodeFrame(FRAME.STDIN, 'more\n'));
    third.write(encodeFrame(FRAME.STDIN_END));
    const frames = new FrameReader().push(Buffer.concat(await third.toArray()));
    const output = frames.filter(({ type }) => type === FRAME.STDOUT).map(({ payload }) => textOf(payload));
    assert.equal(output.join(''), 'hello\nmore\n');
    assert.equal(frames.at(-1)?.type, FRAME.EXIT);
    assert.deepEqual(await guest.sessions(task), []);
  });

  story('a command ends when its stream is destroyed', async (t) => {
    const guest = await connect(t);
    const stream = await guest.exec(task, { ...START, ...as, argv: ['sleep', '1000'] });
    await once(stream, 'data');
    stream.destroy();
    while ((await guest.sessions(task)).length > 0);
  });

  story('files go both ways as tar streams, and a bad one is refused', async (t) => {
    const guest = await connect(t);
    const [from, to] = await folders(t);
    await run(guest, ['sh', '-c', 'echo content > file'], { cwd: from });
    const { kind, tar } = await guest.readTar(task, `${from}/file`);
    assert.equal(kind, 'file');
    await guest.writeTar(task, to, tar);
    assert.equal((await guest.statPath(task, `${to}/file`)).sizeBytes, 8);
    const again = (await guest.readTar(task, `${to}/file`)).tar;
    await assert.rejects(guest.writeTar(task, '/nowhere', again), { code: 'GUEST_PATH' });
    const broken = Readable.from([Buffer.alloc(300_000, 'no tar ')]);
    await assert.rejects(guest.writeTar(task, to, broken), { code: 'GUEST_REFUSED' });
  });

  if (dialStill === undefined) return;

  story('all files of a machine come out, but for what is no part of an image of it', async (t) => {
    const { line, root, image } = await dialStill(t);
    const guest = await connectGuest(task, line);
    const write = async (folder: string, name: string, content: string) => {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    };
    await write(root, 'etc/hostname', 'of the machine\n');
    await write(image, 'etc/hostname', 'of the image\n');
    await write(root, 'etc/resolv.conf', 'not in the image\n');
    await write(root, 'etc/keys/host_rsa', 'secret\n');
    await write(root, 'etc/keys/config', 'kept\n');
    await write(root, 'etc/environment', 'A=1\n# brought\nsecret=1\nB=2\n');
    await write(root, 'own/brought-1', 'text\nsecret\n');
    await write(root, 'certs/all', 'mine\ntext\nsecret\nyours\n');
    await symlink('brought-1.pem', join(root, 'certs/0.0'));
    await symlink('mine.pem', join(root, 'certs/1.0'));
    await write(root, 'root/a b/brought', 'secret\n');
    await write(root, 'root/a b/kept', 'kept\n');
    await write(root, 'work/deep/file', 'secret\n');
    await link(join(root, 'root/a b/kept'), join(root, 'twin'));

    const tar = await guest.readRoot(task, {
      ...{ without: ['root/a b/brought', 'work', 'not/there'], withoutStarting: ['etc/keys/host_', 'own/brought-'] },
      asInImage: ['etc/hostname', 'etc/resolv.conf', 'etc/nothing'],
      withoutLines: [{ file: 'etc/environment', mark: '# brought', lines: 2 }],
      withoutTextsOf: [{ file: 'certs/all', folder: 'own', start: 'brought-' }],
      withoutLinksTo: [{ folder: 'certs', start: 'brought-' }],
    });
    const found = new Map<string, string>();
    for await (const { name, type, target, body } of readTar(tar)) {
      const pieces = [];
      for await (const { bytes } of body()) pieces.push(bytes);
      const plain = (path: string) => path.replace(/^\.\/|\/$/g, '');
      if (type === 'hardlink') found.set(plain(name), found.get(plain(target)) ?? 'a link to nothing');
      else if (type !== 'directory') found.set(plain(name), target || Buffer.concat(pieces).toString());
    }
    assert.deepEqual(Object.fromEntries(found), {
      'certs/1.0': 'mine.pem',
      'certs/all': 'mine\nyours\n',
      'etc/environment': 'A=1\nB=2\n',
      'etc/hostname': 'of the image\n',
      'etc/keys/config': 'kept\n',
      'root/a b/kept': 'kept\n',
      twin: 'kept\n',
    });
  });
}
