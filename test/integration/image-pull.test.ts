/** Images of a registry, by the command: names, what moves under a name, what stays, and what nobody is to read. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DiskSpace, PruneResult } from '@banger/contract/api/disk-space.ts';
import type { Image } from '@banger/contract/api/images.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { findByArgument } from '../../packages/daemon/src/platform/processes.ts';
import { CHECKOUT } from '../support/banger-home.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { gzipLayer, PASSWORD, startRegistry } from '../support/registry.ts';
import { watchOutput } from '../support/watch-output.ts';

type Home = Awaited<ReturnType<typeof createFakeHome>>;

const SHELL = { name: 'bin/sh', content: 'a shell' };
const layer = (text: string) => gzipLayer(sampleTar({ name: 'etc/', type: '5' }, { name: 'etc/text', content: text }));
const shell = gzipLayer(sampleTar({ name: 'bin/', type: '5' }, SHELL));

async function makeHome(t: TestContext) {
  const registry = await startRegistry(t);
  const home = await createFakeHome(t);
  const access = { REGISTRY_AUTH_FILE: registry.authFile, SSL_CERT_FILE: registry.certificate };
  const put = (tag: string, text: string, repository = 'org/app') =>
    registry.putImage(repository, tag, { layers: [shell, layer(text)] });
  return { registry, home, put, env: access, name: `${registry.host}/org/app:1` };
}

const show = (home: Home, name: string) => home.json<Image>(['image', 'show', name]);

test('an image is pulled by its name, which moves; a machine keeps what it was made from', async (t) => {
  const { registry, home, put, env, name } = await makeHome(t);
  const first = await put('1', 'one');
  const pulled = await home.run(['image', 'pull', name], { env });
  assert.equal(pulled.code, 0, pulled.stderr);
  assert.match(pulled.stderr, /· ask 127.*\n· fetch 127.*: 3 parts, .*\n(.*\n)*· store the image/);
  const one = await show(home, name);
  assert.equal(pulled.stdout, `${name}: ${one.digest} ${/\S+$/m.exec(pulled.stdout)?.[0]}\n`);
  assert.deepEqual([one.name, one.source, one.pulled], [name, 'registry', { ref: name, manifestDigest: first }]);
  assert.deepEqual(one.config?.command, ['/bin/sh']);
  assert.match(
    (await home.run(['image', 'show', name])).stdout,
    new RegExp(`pulled from: +${name}\nmanifest: +${first}\n`),
  );
  assert.match((await home.run(['image', 'ls'])).stdout, new RegExp(`^${name} `, 'm'));

  const [host, port] = registry.host.split(':') as [string, string];
  for (const [typed, offered] of [
    [`${host} : ${port.slice(0, 2)}`, `${port}/org/app:1`],
    [`${host} : ${port}/org/app :`, '1'],
    [host, name],
  ] as const) {
    assert.equal(completeInBash(home, `banger vm run --image ${typed}`), `${offered}\n`, typed);
  }

  const created = await home.run(['vm', 'create', '--name', 'web', '--image', name], { env });
  assert.match(created.stderr, new RegExp(`^image: ${name}, from ${registry.host}/org/app$`, 'm'));
  assert.match(
    (await home.run(['image', 'pull', name], { env })).stderr,
    new RegExp(`${name} is up to date: ${first}`),
  );

  const programs = await home.run(['image', 'pull', name, '--json'], { env });
  assert.deepEqual(JSON.parse(programs.stdout).notes, [`${name} is up to date: ${first}`]);

  const second = await put('1', 'two');
  const moved = await home.run(['image', 'pull', name], { env });
  assert.match(moved.stderr, new RegExp(`${name}: ${first} → ${second}`));
  const two = await show(home, name);
  assert.notEqual(two.digest, one.digest);
  const { image } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.deepEqual([image.name, image.digest], [name, one.digest]);
  await home.json(['vm', 'start', 'web']);
  await home.json(['vm', 'rm', '--force', 'web']);
  await home.json(['image', 'rm', name]);
  assert.deepEqual(
    (await readdir(join(home.paths.data, 'images'))).length,
    1,
    'the first went with the machine that needed it, though its name had moved',
  );
});

test("an image as Docker pushes it is the same as OCI's of the same layers, also by the digest of an index", async (t) => {
  const { registry, home, put, env, name } = await makeHome(t);
  await put('1', 'one');
  const layers = [shell, layer('one')];
  const digest = await registry.putImage('org/app', 'docker', { kind: 'docker', layers });
  const platform = { os: 'linux', architecture: 'amd64' };
  const mediaType = 'application/vnd.docker.distribution.manifest.v2+json';
  const index = await registry.putManifest('org/app', 'many', {
    schemaVersion: 2,
    mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifests: [{ mediaType, digest, size: (await stat(registry.blobPath(digest))).size, platform }],
  });
  const pinned = `${registry.host}/org/app@${index}`;
  for (const each of [name, `${registry.host}/org/app:docker`, pinned]) {
    const { code, stderr } = await home.run(['image', 'pull', each], { env });
    assert.equal(code, 0, stderr);
  }
  assert.equal((await show(home, `${registry.host}/org/app:docker`)).digest, (await show(home, name)).digest);
  assert.deepEqual((await show(home, pinned)).pulled, { ref: pinned, manifestDigest: digest });
  assert.match((await home.run(['image', 'pull', pinned])).stderr, /is up to date/, 'nobody is asked');
  const again = await home.run(['image', 'pull', `${registry.host}/org/app@${digest}`], { env });
  assert.match(again.stderr, /org\/app@sha256:\w+ is what 127.* is\.\n/);
  assert.doesNotMatch(again.stderr, /fetch|store/);
  await home.json(['image', 'rm', pinned]);
  await home.json(['vm', 'create', '--image', `${registry.host}/org/app@${digest}`]);
});

test('a machine asks for its image always, when it is missing, or never', async (t) => {
  const { home, put, env, name } = await makeHome(t);
  await put('1', 'one');
  const create = (vm: string, ...words: string[]) =>
    home.run(['vm', 'create', '--name', vm, '--image', name, ...words], { env });
  const never = await create('a', '--pull', 'never');
  assert.match(never.stderr, /IMAGE_NOT_FOUND/);
  assert.match(never.stderr, new RegExp(`banger image pull ${name}`));
  assert.equal((await create('b')).code, 0);
  const first = (await show(home, name)).digest;
  await put('1', 'two');
  assert.equal((await create('c')).code, 0);
  assert.equal((await create('d', '--pull', 'never')).code, 0);
  assert.equal((await show(home, name)).digest, first, 'it was here');
  assert.equal((await create('e', '--pull', 'always')).code, 0);
  const second = (await show(home, name)).digest;
  assert.notEqual(second, first);
  const digests = await Promise.all(
    ['b', 'c', 'd', 'e'].map(async (vm) => (await home.json<Vm>(['vm', 'show', vm])).image.digest),
  );
  assert.deepEqual(digests, [first, first, first, second]);
});

test('what is called so here comes first, and is told; the long name of a registry means the same as the short one', async (t) => {
  const { registry, home, put, env, name } = await makeHome(t);
  await put('latest', 'latest');
  const imported = await home.run(['image', 'import', 'app', '-'], { stdin: sampleTar(SHELL) });
  assert.equal(imported.code, 0, imported.stderr);
  const short = `${registry.host}/org/app`;
  const created = await home.run(['vm', 'create', '--name', 'web', '--image', 'app'], { env });
  assert.match(created.stderr, /^image: app, which was imported here$/m);
  const debian = await home.run(['vm', 'create', '--name', 'deb', '--image', 'debian', '--pull', 'always'], { env });
  assert.match(debian.stderr, /^image: debian, of banger's catalog$/m);
  assert.equal((await home.run(['image', 'pull', short], { env })).code, 0);
  for (const typed of [short, `${short}:latest`, short.toUpperCase().replace('ORG/APP', 'org/app')]) {
    assert.equal((await show(home, typed)).name, `${short}:latest`, typed);
  }
  const bad = await home.run(['image', 'pull', `https://${name}`], { env });
  assert.match(bad.stderr, new RegExp(`BAD_NAME[^]*Did you mean "${name}"|Did you mean "${name}"[^]*BAD_NAME`));
  assert.equal(bad.code, 65);
  const mistyped = await home.run(['vm', 'create', '--image', `${registry.host}/org/apq`], { env });
  assert.match(mistyped.stderr, new RegExp(`IMAGE_NOT_FOUND[^]*Did you mean "${short}:latest"\\?`));
});

test('a password is in no argument, log or record', async (t) => {
  const { home, put, env, name, registry } = await makeHome(t);
  await put('1', 'secret');
  assert.equal((await home.run(['image', 'pull', name], { env })).code, 0);
  assert.match((await home.run(['image', 'pull', `${registry.host}/org/none`], { env })).stderr, /IMAGE_NOT_FOUND/);
  await home.run(['daemon', 'stop']);
  const secrets = [PASSWORD, Buffer.from(`tester:${PASSWORD}`).toString('base64'), registry.authFile];
  for (const folder of [home.paths.state, home.paths.cache, home.paths.runtime]) {
    for (const file of await readdir(folder, { recursive: true })) {
      const path = join(folder, file);
      if (!(await stat(path)).isFile()) continue;
      const bytes = await readFile(path);
      for (const secret of secrets) assert.ok(!bytes.includes(secret), `${file} has ${secret}`);
    }
  }
  assert.match(readFileSync(join(home.paths.state, 'daemon.log'), 'utf8'), /image\.pull/);
});

test('layers are kept for the next image, shown, and pruned; the config names who may do without HTTPS', async (t) => {
  const { registry, home, put, env, name } = await makeHome(t);
  const { REGISTRY_AUTH_FILE } = env;
  await put('1', 'one');
  const untrusted = await home.run(['image', 'pull', name], { env: { REGISTRY_AUTH_FILE } });
  assert.match(untrusted.stderr, /REGISTRY_UNTRUSTED/);
  assert.equal(untrusted.code, 69);
  await home.writeConfig(`[registries]\ninsecure = ["${registry.host}"]\n`);
  assert.equal((await home.run(['image', 'pull', name], { env: { REGISTRY_AUTH_FILE } })).code, 0);
  assert.match(
    (await home.run(['config', 'show'])).stdout,
    new RegExp(`registries\\.insecure +${registry.host} +config \\(line 2\\)`),
  );

  const { uses } = await home.json<DiskSpace>(['system', 'df']);
  assert.ok((uses.find((use) => use.name === 'image layers')?.bytes ?? 0) > 0);
  const { removed } = await home.json<PruneResult>(['system', 'prune']);
  assert.ok(removed.some((use) => use.name === 'image layers'));
  assert.ok(
    removed.some((use) => use.name === name),
    'it can be pulled again, and no vm needs it',
  );
  assert.equal((await home.run(['image', 'pull', name], { env })).code, 0, 'and it is');
});

test('a pull that is given up, or whose daemon is killed, leaves nothing but whole layers', async (t) => {
  const { registry, home, put } = await makeHome(t);
  const digest = await put('1', 'one');
  const manifest = await readFile(registry.blobPath(digest));
  const asked = new EventEmitter();
  const slow: RequestListener = ({ url = '' }, answer) => {
    if (url === '/v2/') return answer.end('{}');
    if (!url.includes('/manifests/')) {
      answer.writeHead(200, { 'content-length': '100000000' });
      return answer.write('x', () => asked.emit('blob')); // and no more
    }
    return answer.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }).end(manifest);
  };
  const http = createServer(slow);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  const host = `127.0.0.1:${(http.address() as AddressInfo).port}`;
  await home.writeConfig(`[registries]\ninsecure = ["${host}"]\n`);
  const pulls = join(home.paths.cache, 'oci/pulls');
  const begin = async () => {
    const command = home.start(['image', 'pull', `${host}/org/app:1`]);
    const output = watchOutput(command);
    await Promise.all([output.until('· fetch', 'stderr'), once(asked, 'blob')]);
    return { command, output };
  };
  const given = await begin();
  given.command.kill('SIGINT');
  const { code, stderr } = await given.output.ended();
  assert.equal(code, 130, stderr);
  assert.deepEqual(await readdir(pulls), []);

  const killed = await begin();
  await home.killDaemon();
  await killed.output.ended();
  assert.equal((await readdir(pulls)).length, 1, 'nobody was left to remove it');
  await home.run(['daemon', 'start']);
  assert.deepEqual(findByArgument(join(home.paths.cache, 'oci')), [], 'skopeo ended with its daemon');
  assert.deepEqual(await readdir(pulls), []);
  assert.deepEqual(await home.leftovers(), []);
});

test('where an image was pulled from comes back with a state that was lost', async (t) => {
  const { home, put, env, name } = await makeHome(t);
  await put('1', 'one');
  assert.equal((await home.run(['image', 'pull', name], { env })).code, 0);
  const before = await show(home, name);
  await home.run(['daemon', 'stop']);
  for (const file of await readdir(home.paths.state)) {
    if (/state\.sqlite|copies/.test(file)) await rm(join(home.paths.state, file), { recursive: true });
  }
  await home.json(['system', 'recover']);
  assert.deepEqual(await show(home, name), before);
});

/** Bash has taken the line apart at colons. */
function completeInBash(home: Home, line: string): string {
  const script = `source <(banger completion bash); COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _banger; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...home.env, PATH: `${join(CHECKOUT, 'bin')}:${home.env.PATH}` };
  return execFileSync('bash', ['--norc', '-c', script], { env, encoding: 'utf8' });
}
