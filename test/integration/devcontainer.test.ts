// biome-ignore-all lint/suspicious/noTemplateCurlyInString: as documents have them
/** Machines as a repository asks for them, in a fake guest whose files are a folder of this host. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PruneResult } from '@banger/contract/api/disk-space.ts';
import type { Image } from '@banger/contract/api/images.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createBuildHome } from '../support/build-home.ts';
import { findFreePort } from '../support/free-port.ts';
import { createRepository } from '../support/sample-repository.ts';
import { watchOutput } from '../support/watch-output.ts';

const DOCUMENT = '.devcontainer/devcontainer.json';

async function createDevcontainerHome(t: TestContext, document: object | null) {
  const { home, calls, sent } = await createBuildHome(t);
  const repo = createRepository(join(home.folder, 'app'));
  const ask = (words: object) => repo.write(DOCUMENT, JSON.stringify(words));
  if (document !== null) ask(document);
  const run = (args: string[], options: Parameters<typeof home.run>[1] = {}) =>
    home.run(['vm', 'run', '--devcontainer', ...args], options);
  const vms = async () =>
    (await home.json<{ vms: Vm[] }>(['vm', 'ls'])).vms.filter(({ name }) => name !== 'image-builder');
  /** A file of the one vm that has it */
  const read = (path: string) => {
    const folder = join(home.paths.data, 'vms');
    const found = readdirSync(folder).flatMap((id) => {
      try {
        return [readFileSync(join(folder, id, 'fake-root', path), 'utf8')];
      } catch {
        return [];
      }
    });
    assert.equal(found.length, 1, path);
    return found[0] ?? '';
  };
  return { home, repo, ask, run, vms, read, calls, sent };
}

test('an image is built for a repository, and again only when that has changed', async (t) => {
  const { home, repo, run, calls, sent } = await createDevcontainerHome(t, {
    build: {
      dockerfile: 'Dockerfile',
      context: '..',
      args: { MODE: 'dev', SECRET: '${localEnv:SECRET}' },
      target: 'x',
    },
  });
  repo.write('.devcontainer/Dockerfile', 'FROM scratch');
  repo.commit('a devcontainer');
  repo.write('a.secret', 'ignored by git');
  repo.write('new', 'not tracked');
  const args = ['--rm', repo.path, '--', 'pwd'];

  const first = await run(args, { env: { SECRET: 'of this host' } });
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^\S+\/fake-root\/workspaces\/app\n$/);
  assert.match(first.stderr, /^devcontainer: \.devcontainer\/devcontainer\.json$/m);
  assert.match(first.stderr, /"SECRET" count as not set/);
  const builds = async () => (await calls()).filter((call) => call.startsWith('build '));
  assert.match((await builds())[0] ?? '', / --target x --build-arg MODE=dev in\/context$/);
  assert.deepEqual(
    (await sent()).split('\n').filter((name) => /secret|new|\.git$|Makefile/.test(name)),
    ['in/context/Makefile'],
  );

  const second = await run(args);
  assert.match(second.stderr, /^image: app-devcontainer-[0-9a-f]{8}, built before$/m);
  assert.equal((await builds()).length, 1);
  repo.write('.devcontainer/Dockerfile', 'FROM scratch # again');
  assert.equal((await run(args)).code, 0);
  assert.equal((await builds()).length, 2);
  assert.equal((await run(['--pull', 'always', ...args])).code, 0);
  assert.match((await builds())[2] ?? '', / --pull-always --build-arg MODE=dev /);

  const { images } = await home.json<{ images: Image[] }>(['image', 'ls']);
  const [built, ...others] = images.filter(({ name }) => name.startsWith('app-'));
  assert.deepEqual(others, []);
  await home.json(['image', 'import', 'mine', join(home.folder, 'builder')]);
  const { removed } = await home.json<PruneResult>(['image', 'prune']);
  assert.deepEqual(
    removed.map(({ name }) => name),
    [built?.name],
  );
  assert.equal((await run(args)).code, 0, 'what was pruned is built again');
  assert.equal((await builds()).length, 4);
});

test('a Dockerfile is enough, and one that fails makes no machine', async (t) => {
  const { repo, run, vms } = await createDevcontainerHome(t, null);
  repo.write('Dockerfile', 'FROM scratch');
  const { code, stdout, stderr } = await run(['--rm', repo.path, '--', 'sh', '-c', 'ls Makefile']);
  assert.deepEqual([code, stdout], [0, 'Makefile\n'], stderr);
  repo.write('Dockerfile', 'fail');
  const failed = await run([repo.path, '--', 'true']);
  assert.match(failed.stderr, /RUN false.*\(IMAGE_BUILD_FAILED\)/);
  assert.deepEqual(await vms(), []);
});

test('what is to be done in the machine is done there, in its order, with its variables', async (t) => {
  const { repo, run, vms, read } = await createDevcontainerHome(t, {
    containerEnv: { MODE: 'dev mode', TOKEN: '${localEnv:GH_TOKEN}', NONE: '${localEnv:NOT_HANDED}', ODD: 'a"b' },
    remoteEnv: { PATH: '${containerEnv:PATH}:/opt/x' },
    remoteUser: 'root',
    onCreateCommand: 'echo 1 $MODE >>log; echo "said by a command"',
    updateContentCommand: { a: 'echo 2 >>log', b: ['sh', '-c', 'echo 2 >>log; echo to b >&2'] },
    postCreateCommand: ['sh', '-c', 'echo "3 ${TOKEN-none} ${NONE-none} $GH_TOKEN $MODE" >>"$0/log"', '.'],
    postStartCommand: 'echo 4 >>log; basename "$PWD"; echo "\u001b[2Jclear"',
    initializeCommand: 'touch /tmp/never',
  });
  const command = ['--', 'sh', '-c', 'cat log; echo "$MODE $TOKEN $PATH"'];
  const { code, stdout, stderr } = await run(['--name', 'web', '-e', 'GH_TOKEN', repo.path, ...command], {
    env: { GH_TOKEN: 'ghp', NOT_HANDED: 'x' },
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^1 dev mode\n2\n2\n3 ghp none ghp dev mode\n4\ndev mode ghp \S+:\/opt\/x\n$/);
  const told = stderr.split('\n');
  const inOrder = [
    '· onCreateCommand',
    'said by a command',
    '· updateContentCommand',
    'b: to b',
    '· postStartCommand',
    'app',
    'clear',
  ];
  assert.deepEqual(
    told.filter((line) => inOrder.includes(line)),
    inOrder,
  );
  assert.match(stderr, /initializeCommand is left out/);
  assert.match(stderr, /which \/etc\/environment cannot hold: ODD\./);
  const kept = read('etc/environment').split('\n');
  assert.deepEqual(kept.slice(0, 1), ['MODE="dev mode"']);
  assert.match(kept[1] ?? '', /^PATH="\S+:\/opt\/x"$/);
  assert.equal(kept.length, 3, 'what was handed over is not kept');
  assert.equal((await vms())[0]?.state.is, 'running');
});

test('a command that fails ends the rest, and the machine stays unless it was to go', async (t) => {
  const { repo, run, vms, read, ask } = await createDevcontainerHome(t, {
    onCreateCommand: { ends: 'echo first >>log', fails: 'echo why; exit 3' },
    postCreateCommand: 'echo never >>log',
  });
  const failed = await run(['--name', 'web', repo.path, '--', 'true']);
  assert.equal(failed.code, 70);
  assert.match(failed.stderr, /fails: why\n[\s\S]*onCreateCommand\.fails .*exit code 3\. \(DEVCONTAINER_FAILED\)/);
  assert.match(failed.stderr, /web goes on running/);
  assert.equal(read('workspaces/app/log'), 'first\n');
  const quiet = await run(['--rm', '--json', repo.path, '--', 'true']);
  const { error } = JSON.parse(quiet.stderr);
  assert.deepEqual([error.code, error.details.console], ['DEVCONTAINER_FAILED', ['why']]);
  ask({ postCreateCommand: ['no-such-program'] });
  assert.match((await run(['--rm', repo.path])).stderr, /\(COMMAND_NOT_FOUND\)/);
  assert.deepEqual(
    (await vms()).map(({ name }) => name),
    ['web'],
  );
});

test('Ctrl-C ends what is being done in the machine', async (t) => {
  const { home, repo, vms } = await createDevcontainerHome(t, {
    postCreateCommand: { a: 'echo ready; sleep 1000', b: 'echo ready; sleep 1000' },
  });
  const command = home.start(['vm', 'run', '--rm', '--devcontainer', repo.path]);
  const output = watchOutput(command);
  await output.until('b: ready', 'stderr');
  command.kill('SIGINT');
  const { code, stderr } = await output.ended();
  assert.equal(code, 130, stderr);
  assert.match(stderr, /\(CANCELLED\)/);
  assert.deepEqual(await vms(), []);
});

test('what a repository asks for can be seen before a machine is made', async (t) => {
  const { repo, ask, run, vms } = await createDevcontainerHome(t, null);
  const document = {
    build: { dockerfile: 'Dockerfile', context: '..' },
    remoteUser: 'dev',
    containerEnv: { MODE: 'dev', EVIL: '\u001b[2J', TOKEN: '${localEnv:GH_TOKEN}' },
    forwardPorts: [3000],
    postCreateCommand: { a: 'npm ci', b: ['make', 'db'] },
    initializeCommand: 'touch /tmp/never',
  };
  ask(document);
  const look = ['-e', 'GH_TOKEN=ghp-secret', '--dry-run', repo.path];
  const { code, stdout, stderr } = await run(look);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /Makefile/);
  assert.deepEqual(stderr.split('\n').slice(-12), [
    'devcontainer: .devcontainer/devcontainer.json',
    stderr.match(/^image: app-devcontainer-\w{8}, built from Dockerfile with \.\.$/m)?.[0],
    'user: dev',
    'folder: /workspaces/app',
    'variable: MODE=dev',
    'variable: EVIL=',
    'variable: TOKEN, handed over',
    'published: 127.0.0.1:3000 is port 3000',
    'postCreateCommand: npm ci',
    'postCreateCommand: ["make","db"]',
    'initializeCommand is left out: it would run on this host.',
    '',
  ]);
  const { stdout: json } = await run(['--json', ...look]);
  const { devcontainer } = JSON.parse(json);
  assert.deepEqual([devcontainer.path, devcontainer.user], [DOCUMENT, 'dev']);
  assert.doesNotMatch(json + stderr, /ghp-secret/);
  assert.deepEqual(await vms(), []);
});

test('ports are published here alone, and one that is taken keeps no machine from running', async (t) => {
  const [free, taken, own] = [await findFreePort(), await findFreePort(), await findFreePort()];
  const other = createServer().listen(taken, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { home, repo, run } = await createDevcontainerHome(t, { forwardPorts: [free, taken, 8080] });
  const { code, stderr } = await run(['-d', '--name', 'web', '-p', `${own}:8080`, repo.path]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, new RegExp(`port ${taken} cannot be listened on.*"banger vm forward web 0:${taken}"`));
  assert.match(
    (await home.run(['vm', 'show', 'web'])).stdout,
    new RegExp(`127.0.0.1:${free}, if free, is port ${free}`),
  );
  const { publish } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.deepEqual(publish, [
    { host: '127.0.0.1', hostPort: own, guestPort: 8080 },
    { host: '127.0.0.1', hostPort: free, guestPort: free, ifFree: true },
    { host: '127.0.0.1', hostPort: taken, guestPort: taken, ifFree: true },
  ]);
  await home.json(['vm', 'stop', 'web']);
  assert.match((await home.run(['vm', 'start', 'web'])).stderr, new RegExp(`port ${taken} cannot be listened on`));
});

test('what cannot be used is told before there is a machine', async (t) => {
  const { home, repo, run, ask, vms } = await createDevcontainerHome(t, { features: { 'example.org/x:1': {} } });
  const refuse = async (code: string, ...args: string[]) => {
    const { stderr } = await run(args);
    assert.match(stderr, new RegExp(`\\(${code}\\)`));
  };
  await refuse('DEVCONTAINER_UNSUPPORTED', repo.path);
  ask({ image: 'Not A Name' });
  await refuse('BAD_NAME', repo.path);
  await refuse('USAGE', '--image', 'debian', repo.path);
  await refuse('USAGE', '--ref', 'HEAD', repo.path);
  await refuse('USAGE');
  writeFileSync(join(home.folder, 'outside.json'), '{}');
  await refuse('REPO_UNTRUSTED', '--devcontainer-file', '../outside.json', repo.path);
  symlinkSync('../outside.json', join(repo.path, 'link.json'));
  await refuse('REPO_UNTRUSTED', '--devcontainer-file', 'link.json', repo.path);
  await refuse('DEVCONTAINER_NOT_FOUND', '--devcontainer-file', 'none.json', repo.path);
  await refuse('REPO_INVALID', home.folder);
  const bare = createRepository(join(home.folder, 'bare'));
  await refuse('DEVCONTAINER_NOT_FOUND', bare.path);
  assert.deepEqual(await vms(), []);
});
