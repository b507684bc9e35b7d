/** What an image says of running it: what runs, which words win, and which image a vm has. */
import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import type { Image } from '@banger/contract/api/images.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { writeLayout } from '../../packages/daemon/src/images/oci/sample-layout.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { createFakeHome } from '../support/fake-home.ts';

const SAY = 'echo "$0 $MODE $*"; pwd';
const CONFIG: ImageConfig = {
  ...{ env: ['MODE=image'], user: 'root', workingDir: '/srv/app', stopSignal: null },
  ...{ entrypoint: ['sh', '-c', SAY, 'entry'], command: ['serve'] },
};

const ROOT = sampleTar({ name: 'bin/', type: '5' }, { name: 'bin/sh', content: '#!' });

async function createHome(t: TestContext, config = CONFIG) {
  const home = await createFakeHome(t);
  const tarball = join(home.folder, 'root.tar');
  await writeFile(tarball, ROOT);
  const { digest: plain } = await home.json<Image>(['image', 'import', 'plain', tarball]);
  let layouts = 0;
  const { digest } = await bring(config);
  const small = ['--image', 'app', '--disk-size', '256M'];
  const says = async (...args: string[]) => {
    const { code, stdout, stderr } = await home.run(args);
    assert.equal(code, 0, stderr);
    const [words = '', folder = ''] = stdout.split('\n');
    return [words, folder.replace(/^.*\/fake-root/, '')];
  };
  return { home, plain, digest, small, says, bring };

  /** The same files, as "app" */
  function bring({ env, user, workingDir, entrypoint, command, stopSignal }: ImageConfig): Promise<Image> {
    const folder = join(home.folder, `layout-${layouts++}`);
    const said = { Env: env, User: user, WorkingDir: workingDir, Entrypoint: entrypoint, Cmd: command };
    writeLayout(folder, [{ layers: [ROOT], config: { ...said, StopSignal: stopSignal } }]);
    return home.json<Image>(['image', 'import', 'app', folder]);
  }
}

test('vm run runs what the image names, in its folder with its variables, and a command as it stands', async (t) => {
  const { small, says } = await createHome(t);
  const run = ['vm', 'run', '--rm', ...small];
  assert.deepEqual(await says(...run), ['entry image serve', '/srv/app']);
  assert.deepEqual(await says(...run, '--', 'sh', '-c', SAY, 'mine', 'x'), ['mine image x', '/srv/app']);
  assert.deepEqual(await says(...run, '--entrypoint', '--', 'check', 'it'), ['entry image check it', '/srv/app']);
  const own = ['--env', 'MODE=mine', '--cwd', '/tmp'];
  assert.deepEqual(await says(...run, ...own), ['entry mine serve', '/tmp'], 'what is said on the command line wins');
});

test('a service of an image goes on when nobody looks, and a plain image has none to start', async (t) => {
  const { home, small } = await createHome(t, { ...CONFIG, entrypoint: ['sleep'], command: ['1000'] });
  type Detached = { vm: Vm; session: string | null };
  const { vm, session } = await home.json<Detached>(['vm', 'run', '--detach', '--name', 'web', ...small]);
  assert.deepEqual([vm.image.name, vm.image.hasCommand], ['app', true]);
  const [listed] = await home.sessions('web');
  assert.deepEqual([listed?.id, listed?.argv, listed?.tty], [session, ['sleep', '1000'], false]);
  const bare = await home.json<Detached>(['vm', 'run', '--detach', '--image', 'plain', '--disk-size', '256M']);
  assert.deepEqual([bare.vm.image.hasCommand, bare.session], [false, null]);
});

test('two images of the same files are two, and a vm keeps the one that it was made from', async (t) => {
  const { home, plain, digest, small, says, bring } = await createHome(t);
  assert.notEqual(digest, plain);
  await home.json(['vm', 'create', '--name', 'web', ...small, '--start']);
  await home.json(['vm', 'create', '--name', 'plain', '--image', 'plain', '--disk-size', '256M', '--start']);
  const own = ['--', 'sh', '-c', SAY, 'mine'];
  assert.deepEqual(await says('vm', 'exec', 'web', ...own), ['mine image ', '/srv/app']);
  assert.deepEqual(await says('vm', 'exec', 'plain', ...own), ['mine  ', '/root']);

  const { digest: other } = await bring({ ...CONFIG, env: ['MODE=other'] });
  assert.notEqual(other, digest);
  assert.equal((await home.json<Image>(['image', 'show', 'app'])).digest, other, 'the name stands for another one');
  await home.json(['vm', 'restart', 'web']);
  assert.deepEqual(await says('vm', 'exec', '--entrypoint', 'web'), ['entry image serve', '/srv/app']);
  assert.deepEqual(await says('vm', 'run', '--rm', ...small), ['entry other serve', '/srv/app']);

  await home.json(['image', 'rm', 'app']);
  await home.run(['daemon', 'stop']);
  await home.json(['vm', 'restart', 'web']);
  assert.deepEqual(
    await says('vm', 'exec', '--entrypoint', 'web'),
    ['entry image serve', '/srv/app'],
    'it has no name now',
  );
});

test('a guest is told how long its stop may take, which its own command has most of', async (t) => {
  const { home, small } = await createHome(t);
  const { id } = await home.json<Vm>(['vm', 'create', '--name', 'web', ...small, '--start']);
  const told = async () => JSON.parse(await readFile(join(home.paths.data, 'vms', id, 'fake-root/shutdown'), 'utf8'));
  await home.json(['vm', 'stop', '--timeout', '50s', 'web']);
  assert.deepEqual(await told(), { how: 'poweroff', withinMs: 50_000 });
  await home.json(['vm', 'start', 'web']);
  await home.json(['vm', 'stop', 'web']);
  assert.deepEqual(await told(), { how: 'poweroff', withinMs: 30_000 });
});

test('a state that was lost comes back with what images say, and one that was changed is set aside', async (t) => {
  const { home, digest } = await createHome(t);
  const state = join(home.paths.state, 'state.sqlite');
  const lose = async () => {
    await home.run(['daemon', 'stop']);
    for (const end of ['', '-wal', '-shm']) await rm(`${state}${end}`, { force: true });
    await home.json(['system', 'recover']);
  };
  await lose();
  assert.deepEqual((await home.json<Image>(['image', 'show', 'app'])).config, CONFIG);
  assert.equal((await home.json<Image>(['image', 'show', 'plain'])).config, null);

  const manifest = join(home.paths.data, 'images', String(digest).slice('sha256:'.length), 'manifest.json');
  const written = await readFile(manifest, 'utf8');
  await rm(manifest);
  await writeFile(manifest, written.replace('serve', 'other'));
  await lose();
  assert.match((await home.run(['image', 'show', String(digest)])).stderr, /IMAGE_NOT_FOUND/);
});
