/** Builds with a fake guest, whose buildah is a script of the test's: what goes in, what comes out, what is left. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DiskSpace, PruneResult } from '@banger/contract/api/disk-space.ts';
import type { Image } from '@banger/contract/api/images.ts';
import { writeLayout } from '../../packages/daemon/src/images/oci/sample-layout.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { watchOutput } from '../support/watch-output.ts';

const ROOT = sampleTar({ name: 'bin/', type: '5' }, { name: 'bin/sh', content: '#!' });

/** Builds by the word in the Dockerfile; what it was called with is in `calls`. */
const buildahIn = (folder: string) => `#!/bin/sh
echo "$*" >>${folder}/calls
case $1 in
build)
  find in | LC_ALL=C sort >${folder}/sent
  echo "STEP 1/2: FROM scratch"
  case $(cat in/Dockerfile) in
  fail) echo 'Error: building at STEP "RUN false": exit status 1'; exit 1 ;;
  wait) echo waiting; exec sleep 1000 ;;
  esac
  echo "--> Using cache 0123"
  echo built >id ;;
push) tar -c -f image.tar -C ${folder}/layout . ;;
esac
`;

async function createBuildHome(t: TestContext) {
  const home = await createFakeHome(t);
  const tools = join(home.folder, 'tools');
  await mkdir(tools);
  await writeFile(join(tools, 'buildah'), buildahIn(home.folder));
  await chmod(join(tools, 'buildah'), 0o755);
  writeLayout(join(home.folder, 'builder'), [{ layers: [ROOT], config: { Env: [`PATH=${tools}:/usr/bin:/bin`] } }]);
  writeLayout(join(home.folder, 'layout'), [{ layers: [ROOT], config: { Cmd: ['serve'] } }]);
  await home.json(['image', 'import', 'image-builder', join(home.folder, 'builder')]);
  const context = join(home.folder, 'app');
  await mkdir(context);
  const prepare = (dockerfile: string) => writeFile(join(context, 'Dockerfile'), dockerfile);
  const calls = async () => (await readFile(join(home.folder, 'calls'), 'utf8')).trim().split('\n');
  const builder = async () => (await home.json<{ vms: { name: string; state: { is: string } }[] }>(['vm', 'ls'])).vms;
  await writeFile(join(context, '.dockerignore'), 'secret');
  await writeFile(join(context, 'secret'), 's');
  await prepare('FROM scratch');
  return { home, context, prepare, calls, builder };
}

test('an image is built in a machine of its own, which rests when nobody builds', async (t) => {
  const { home, context, calls, builder } = await createBuildHome(t);
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
  assert.equal(
    await readFile(join(home.folder, 'sent'), 'utf8'),
    'in\nin/Dockerfile\nin/context\nin/context/.dockerignore\nin/context/Dockerfile\n',
  );

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
  const { home, context, prepare, builder } = await createBuildHome(t);
  const before = await home.json<Image>(['image', 'build', context]);
  await prepare('fail');
  const { code, stderr } = await home.run(['image', 'build', context]);
  assert.equal(code, 70);
  assert.match(stderr, /could not be built: building at STEP "RUN false": exit status 1.*\(IMAGE_BUILD_FAILED\)/);
  assert.equal((await home.json<Image>(['image', 'show', 'app'])).digest, before.digest);
  assert.equal((await builder())[0]?.state.is, 'stopped');
});

test('a build that is given up ends in the guest too, and the next one goes on', async (t) => {
  const { home, context, prepare, builder } = await createBuildHome(t);
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
  const { home, context, builder } = await createBuildHome(t);
  await home.json(['vm', 'create', '--name', 'image-builder']);
  const { code, stderr } = await home.run(['image', 'build', context]);
  assert.equal(code, 65);
  assert.match(stderr, /yours of that name was made from "debian".*\(VM_EXISTS\)/s);
  await home.json(['system', 'prune', '--all']);
  assert.equal((await builder()).length, 1);
  assert.equal(existsSync(join(home.folder, 'calls')), false);
});
