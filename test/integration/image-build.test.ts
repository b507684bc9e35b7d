/** Builds with a fake guest, whose buildah is a script of the test's: what goes in, what comes out, what is left. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DiskSpace, PruneResult } from '@banger/contract/api/disk-space.ts';
import type { Image } from '@banger/contract/api/images.ts';
import { createBuildHome } from '../support/build-home.ts';
import { watchOutput } from '../support/watch-output.ts';

async function createContextHome(t: TestContext) {
  const { home, calls, sent } = await createBuildHome(t);
  const context = join(home.folder, 'app');
  await mkdir(context);
  const prepare = (dockerfile: string) => writeFile(join(context, 'Dockerfile'), dockerfile);
  const builder = async () => (await home.json<{ vms: { name: string; state: { is: string } }[] }>(['vm', 'ls'])).vms;
  await writeFile(join(context, '.dockerignore'), 'secret');
  await writeFile(join(context, 'secret'), 's');
  await prepare('FROM scratch');
  return { home, context, prepare, calls, sent, builder };
}

test('an image is built in a machine of its own, which rests when nobody builds', async (t) => {
  const { home, context, calls, sent, builder } = await createContextHome(t);
  const build = [
    'image',
    'build',
    '--build-arg',
    'A=1 2',
    '--build-arg',
    'MODE',
    '--build-arg',
    'NOT_SET',
    '--target',
    'x',
  ];
  const { code, stderr } = await home.run([...build, '--no-cache', context], { env: { MODE: 'here' } });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /· STEP 1\/2: FROM scratch\n--> Using cache 0123\n/);
  const [tidied, built, pushed] = await calls();
  assert.equal(tidied, 'rm --all');
  assert.match(built ?? '', / --target x --no-cache --build-arg A=1 2 --build-arg MODE=here in\/context$/);
  assert.equal(pushed, 'push --quiet built oci-archive:image.tar');
  assert.equal(await sent(), 'in\nin/Dockerfile\nin/context\nin/context/.dockerignore\nin/context/Dockerfile\n');

  const image = await home.json<Image>(['image', 'show', 'app']);
  assert.deepEqual([image.source, image.config?.command], ['import', ['serve']]);
  assert.deepEqual(
    (await builder()).map(({ name, state }) => [name, state.is]),
    [['image-builder', 'stopped']],
  );

  const { uses } = await home.json<DiskSpace>(['system', 'df']);
  assert.deepEqual(
    uses.filter(({ kind }) => kind === 'vm' || kind === 'builder').map(({ kind, name }) => [kind, name]),
    [['builder', 'image-builder']],
  );
  const { removed } = await home.json<PruneResult>(['system', 'prune']);
  assert.ok(removed.some(({ kind, name }) => kind === 'builder' && name === 'image-builder'));
  assert.deepEqual(await builder(), []);
});

test('a build that fails says why, and the image stays what it was', async (t) => {
  const { home, context, prepare, builder } = await createContextHome(t);
  const before = await home.json<Image>(['image', 'build', context]);
  await prepare('fail');
  const { code, stderr } = await home.run(['image', 'build', context]);
  assert.equal(code, 70);
  assert.match(stderr, /could not be built: building at STEP "RUN false": exit status 1.*\(IMAGE_BUILD_FAILED\)/);
  assert.equal((await home.json<Image>(['image', 'show', 'app'])).digest, before.digest);
  assert.equal((await builder())[0]?.state.is, 'stopped');
});

test('a build that is given up ends in the guest too, and the next one goes on', async (t) => {
  const { home, context, prepare, builder } = await createContextHome(t);
  await prepare('wait');
  const command = home.start(['image', 'build', context]);
  const output = watchOutput(command);
  await output.until('waiting', 'stderr');
  const refused = await home.json<PruneResult>(['system', 'prune']);
  assert.ok(
    refused.removed.every(({ kind }) => kind !== 'builder'),
    'one that builds is not pruned',
  );
  command.kill('SIGINT');
  const ended = await output.ended();
  assert.equal(ended.code, 130);
  assert.match(ended.stderr, /\(CANCELLED\)/);
  assert.equal((await home.run(['image', 'show', 'app'])).code, 66);
  assert.equal((await builder())[0]?.state.is, 'stopped');
  await prepare('FROM scratch');
  await home.json<Image>(['image', 'build', context]);
  const [vm] = await readdir(join(home.paths.data, 'vms'));
  assert.ok(vm !== undefined);
});

test('a vm of the same name that is not the builder is left alone', async (t) => {
  const { home, context, builder } = await createContextHome(t);
  await home.json(['vm', 'create', '--name', 'image-builder']);
  const { code, stderr } = await home.run(['image', 'build', context]);
  assert.equal(code, 65);
  assert.match(stderr, /yours of that name was made from "debian".*\(VM_EXISTS\)/s);
  await home.json(['system', 'prune', '--all']);
  assert.equal((await builder()).length, 1);
  assert.equal(existsSync(join(home.folder, 'calls')), false);
});
