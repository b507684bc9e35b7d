/** An image whose tar comes through a pipe: whole, or not at all, whoever ends it in its middle. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, watch, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { DaemonEvent } from '@banger/contract/api/events.ts';
import type { Image } from '@banger/contract/api/images.ts';
import { writeLayout } from '../../packages/daemon/src/images/oci/sample-layout.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { watchOutput } from '../support/watch-output.ts';

const COMMAND = ['image', 'import', 'mine', '-'];
const rootfs = () =>
  sampleTar({ name: 'bin/sh', content: 'sh' }, { name: 'data', content: randomBytes(3_000_000).toString('base64') });

test('an image is made from what comes on stdin', async (t) => {
  const home = await createFakeHome(t);
  const tar = rootfs();
  const { code, stdout, stderr } = await home.run([...COMMAND, '--json'], { stdin: gzipSync(tar) });
  assert.equal(code, 0, stderr);
  const mine = JSON.parse(stdout) as Image;
  const again = await home.run(COMMAND, { stdin: tar });
  assert.equal(again.stdout, `mine: ${mine.digest} ${/\S+$/m.exec(again.stdout)?.[0]}\n`);
  assert.match(again.stderr, /· read the tar\n(.*\n)*· store the image/);

  const other = rootfs();
  const half = other.subarray(0, other.length / 2);
  const unchanged = async () => {
    assert.equal((await home.json<Image>(['image', 'show', 'mine'])).digest, mine.digest);
    assert.deepEqual(await home.leftovers(), []);
  };
  /** A command of which half the tar is on its way into the image. */
  const begin = async () => {
    using folder = watchFolder(join(home.paths.data, 'images'));
    const command = home.start(COMMAND);
    const output = watchOutput(command);
    command.stdin?.write(half);
    await Promise.all([folder.untilStaged(), output.until('· read the tar', 'stderr')]);
    return { command, output };
  };

  for (const [who, end, told, exit] of [
    ['Ctrl-C', (command) => command.kill('SIGINT'), /\(CANCELLED\)/, 130],
    ['a kill of the command', (command) => command.kill('SIGKILL'), /read the tar/, null],
    ['the program before the pipe', (command) => command.stdin?.end(), /ends too soon.*\(IMAGE_INVALID\)/, 65],
  ] as [string, (command: ChildProcess) => void, RegExp, number | null][]) {
    await t.test(`${who} undoes it`, async () => {
      const heard = await home.client.eventList();
      const { command, output } = await begin();
      end(command);
      const ended = await output.ended();
      assert.match(ended.stderr, told);
      assert.equal(ended.code, exit);
      const state = await stateAtEnd(heard);
      assert.equal(state, exit === 65 ? 'failed' : 'cancelled');
      await unchanged();
    });
  }

  await t.test('a kill of the daemon does too, when the next one comes up', async () => {
    const { output } = await begin();
    await home.killDaemon();
    const ended = await output.ended();
    assert.match(ended.stderr, /\(DAEMON_UNREACHABLE\)\n {2}hint: /);
    assert.equal(ended.code, 69);
    assert.equal((await home.leftovers()).length, 1);
    await unchanged();
  });

  await t.test('nothing at all, and what is no tar, are told at once', async () => {
    const nothing = await home.run(COMMAND);
    assert.match(nothing.stderr, /Nothing was sent, rather than a tar. \(IMAGE_INVALID\)\n {2}hint: /);
    const command = home.start(COMMAND);
    const output = watchOutput(command);
    command.stdin?.write('neither a tarball nor its end\n'.repeat(1000));
    const { code: exit, stderr: told } = await output.ended();
    assert.match(told, /not a tar archive.*\(IMAGE_INVALID\)\n {2}hint: /);
    assert.deepEqual([nothing.code, exit], [65, 65]);
    await unchanged();
  });
});

/** Begins to look at once. */
function watchFolder(path: string) {
  const stop = new AbortController();
  const changes = watch(path, { signal: stop.signal })[Symbol.asyncIterator]();
  let next = changes.next();
  return { untilStaged, [Symbol.dispose]: () => stop.abort() };

  async function untilStaged(): Promise<void> {
    for (;;) {
      const { value } = await next;
      if (value?.filename?.startsWith('.staging')) return;
      next = changes.next();
    }
  }
}

async function stateAtEnd(events: AsyncIterable<DaemonEvent> & { close: () => void }): Promise<string> {
  for await (const event of events) {
    if (event.is !== 'operation' || event.change !== 'ended') continue;
    events.close();
    return event.operation.state;
  }
  throw new Error('the daemon ended');
}

test('an archive with several images comes from a folder, a file or a pipe, and --ref chooses', async (t) => {
  const home = await createFakeHome(t);
  const folder = join(home.folder, 'layout');
  const config = { Cmd: ['/serve'] };
  writeLayout(folder, [
    { layers: [sampleTar({ name: 'serve' })], names: ['app:1'], config },
    { layers: [sampleTar({ name: 'other' })], names: ['other:2'] },
  ]);
  const tar = execFileSync('tar', ['-C', folder, '-c', '.']);
  await writeFile(`${folder}.tar`, tar);
  const several = await home.run(['image', 'import', 'app', folder]);
  assert.match(several.stderr, /several images, of which --ref chooses one: app:1, other:2\. \(IMAGE_INVALID\)/);
  assert.deepEqual(await home.leftovers(), []);
  const digests = new Set<unknown>();
  for (const [from, stdin] of [[folder], [`${folder}.tar`], ['-', tar], ['-', gzipSync(tar)]] as [string, Buffer?][]) {
    const command = ['image', 'import', 'app', from, '--ref', 'app:1', '--json'];
    const { stdout, stderr } = await home.run(command, stdin && { stdin });
    assert.match(stderr, /^(?!.*(?:other|ERR)).*$/s);
    const image = JSON.parse(stdout) as Image;
    assert.deepEqual(image.config?.command, ['/serve']);
    digests.add(image.digest);
  }
  assert.equal(digests.size, 1);
});

test('an image goes out to a file and to a pipe as the same archive, and comes in again', async (t) => {
  const home = await createFakeHome(t);
  const folder = join(home.folder, 'layout');
  writeLayout(folder, [
    { layers: [sampleTar({ name: 'serve', content: 'x'.repeat(3_000_000) })], config: { Cmd: ['/serve'] } },
  ]);
  await home.run(['image', 'import', 'app', folder]);
  const file = join(home.folder, 'app.tar');
  const written = await home.run(['image', 'export', 'app', file]);
  assert.deepEqual([written.code, written.stdout], [0, ''], written.stderr);
  const sent = watchOutput(home.start(['image', 'export', 'app', '-']));
  assert.ok((await readFile(file)).equals((await sent.ended()).stdout));
  const again = await home.json<Image>(['image', 'import', 'again', file]);
  assert.deepEqual(again.config?.command, ['/serve']);

  const before = await readFile(file);
  const refused = await home.run(['image', 'export', 'again', file]);
  assert.match(refused.stderr, /is there already. \(FILE_EXISTS\)\n {2}hint: .*--force/);
  const missing = await home.run(['image', 'export', 'nothing', join(home.folder, 'x')]);
  assert.match(missing.stderr, /\(IMAGE_NOT_FOUND\)/);
  assert.ok((await readFile(file)).equals(before));
  assert.deepEqual(
    (await readdir(home.folder)).filter((name) => /app|^x$/.test(name)),
    ['app.tar'],
  );
  assert.deepEqual(await home.leftovers(), []);
});
