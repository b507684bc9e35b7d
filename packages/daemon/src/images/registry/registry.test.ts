import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import { type BangerError, toBangerError } from '@banger/contract/errors.ts';
import { parseImageRef } from '@banger/contract/image-ref.ts';
import type { RegistryAccess } from '@banger/contract/registry-access.ts';
import { findFreePort } from '../../../../../test/support/free-port.ts';
import { authOf, gzipLayer, PASSWORD, startRegistry, type TestRegistry } from '../../../../../test/support/registry.ts';
import { mayMount, mountObstacle, OBSTACLES } from '../../../../../test/support/small-disk.ts';
import { Task } from '../../platform/task.ts';
import { sampleTar } from '../sample-tar.ts';
import type { Blob } from './manifest.ts';
import { createRegistry, type RegistryParts } from './registry.ts';

const task = Task.background();
const cleanups: (() => unknown)[] = [];
const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

let server: TestRegistry;
let home: string;
let access: RegistryAccess;

before(async () => {
  server = await startRegistry({ after: (cleanup) => void cleanups.push(cleanup as () => unknown) });
});
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'banger-pull-'));
  access = { REGISTRY_AUTH_FILE: server.authFile, SSL_CERT_FILE: server.certificate };
  server.forget();
});
afterEach(() => rmSync(home, { recursive: true }));

test('an image is fetched once; what it shares with another one, too', async () => {
  const [shared, own] = [layer('bin/sh', 'shared'), layer('etc/one', 'one')];
  const digest = await server.putImage('org/app', '1', { layers: [shared, own] });
  await server.putImage('org/other', '2', { layers: [shared, layer('etc/two', 'two')] });
  const registry = create();
  const found = await registry.look(task, ref('org/app:1'), access);
  assert.deepEqual([found.digest, found.blobs.length, found.ref], [digest, 3, `${server.host}/org/app:1`]);
  await using first = await registry.fetch(task, found, access);
  assert.equal(readdirSync(join(first.blobs, 'sha256')).length, 4, 'two layers, the config and the manifest');
  assert.deepEqual(readFileSync(join(first.blobs, 'sha256', hexOf(found.blobs[0]?.digest as Digest))), shared.bytes);
  assert.equal(JSON.parse(readFileSync(first.index, 'utf8')).manifests.length, 1);
  await using _other = await registry.fetch(task, await registry.look(task, ref('org/other:2'), access), access);
  await using _again = await registry.fetch(task, found, access);
  for (const { digest } of found.blobs.slice(0, 2)) assert.equal(server.served(digest), 1, digest);
});

test('of an index the image for linux/amd64 is taken, also of an index within one', async () => {
  const digest = await server.putImage('org/multi', 'amd', { layers: [layer('bin/sh', 'x')] });
  const entry = (architecture: string) => ({
    mediaType: MANIFEST,
    digest,
    size: 10,
    platform: { os: 'linux', architecture },
  });
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: [entry('amd64')] };
  const inner = await server.putManifest('org/multi', 'inner', index);
  const outer = { ...index, manifests: [{ ...entry('amd64'), mediaType: INDEX, digest: inner }] };
  await server.putManifest('org/multi', 'outer', outer);
  await server.putManifest('org/multi', 'arm', { ...index, manifests: [entry('arm64'), entry('s390x')] });
  const registry = create();
  for (const tag of ['inner', 'outer']) {
    assert.equal((await registry.look(task, ref(`org/multi:${tag}`), access)).digest, digest);
  }
  await assert.rejects(registry.look(task, ref('org/multi:arm'), access), {
    code: 'IMAGE_PLATFORM',
    hint: /it is for linux\/arm64, linux\/s390x\.$/,
  });
  const byDigest = ref(`org/multi:gone@${inner}`);
  assert.equal((await registry.look(task, byDigest, access)).digest, digest, 'a digest counts more than a tag');
});

test('a name that is not there, a wrong password and none are told apart', async () => {
  await server.putImage('org/app', '1', { layers: [layer('bin/sh', 'x')] });
  const registry = create();
  await refuses(registry.look(task, ref('org/none:1'), access), 'IMAGE_NOT_FOUND');
  await refuses(registry.look(task, ref('org/app:none'), access), 'IMAGE_NOT_FOUND');
  const SSL_CERT_FILE = server.certificate;
  const denied = await refuses(registry.look(task, ref('org/app:1'), { SSL_CERT_FILE }), 'REGISTRY_DENIED');
  assert.match(denied.hint as string, new RegExp(`skopeo login ${server.host}`));
  const wrong = join(home, 'wrong.json');
  writeFileSync(wrong, JSON.stringify(authOf(server.host, 'wr0ng-battery')));
  const fault = await refuses(
    registry.look(task, ref('org/app:1'), { ...access, REGISTRY_AUTH_FILE: wrong }),
    'REGISTRY_DENIED',
  );
  assert.doesNotMatch(JSON.stringify(fault.toWire()) + String(fault.cause), /wr0ng|d3IwbmctYmF0dGVyeQ/);
  writeFileSync(wrong, '{');
  await refuses(
    registry.look(task, ref('org/app:1'), { ...access, REGISTRY_AUTH_FILE: wrong }),
    'CREDENTIALS_UNREADABLE',
  );
});

test("docker's own file is read, and the helper that it names is found on the caller's path", async () => {
  await server.putImage('org/app', '1', { layers: [layer('bin/sh', 'x')] });
  const [docker, bin] = [join(home, 'docker'), join(home, 'bin')];
  for (const folder of [docker, bin]) mkdirSync(folder);
  writeFileSync(join(docker, 'config.json'), JSON.stringify(authOf(server.host, PASSWORD)));
  const registry = create();
  const SSL_CERT_FILE = server.certificate;
  await registry.look(task, ref('org/app:1'), { SSL_CERT_FILE, DOCKER_CONFIG: docker });

  mkdirSync(join(home, '.docker'));
  writeFileSync(join(home, '.docker/config.json'), JSON.stringify({ credHelpers: { [server.host]: 'banger-test' } }));
  await refuses(registry.look(task, ref('org/app:1'), { SSL_CERT_FILE }), 'CREDENTIALS_UNREADABLE');
  const answer = JSON.stringify({ ServerURL: server.host, Username: 'tester', Secret: PASSWORD });
  writeFileSync(join(bin, 'docker-credential-banger-test'), `#!/bin/sh\ncat >/dev/null\necho '${answer}'\n`, {
    mode: 0o755,
  });
  await registry.look(task, ref('org/app:1'), { SSL_CERT_FILE, PATH: `.:${bin}` });
});

test('a certificate that nobody vouches for is refused, unless the config names the registry', async () => {
  await server.putImage('org/app', '1', { layers: [layer('bin/sh', 'x')] });
  const REGISTRY_AUTH_FILE = server.authFile;
  await refuses(create().look(task, ref('org/app:1'), { REGISTRY_AUTH_FILE }), 'REGISTRY_UNTRUSTED');
  const registry = create({ readInsecure: async () => [server.host] });
  const found = await registry.look(task, ref('org/app:1'), { REGISTRY_AUTH_FILE });
  await using _fetched = await registry.fetch(task, found, { REGISTRY_AUTH_FILE });
});

test("what the host's own files say of registries counts: where a name leads, what is blocked, whose signature is wanted", async () => {
  const digest = await server.putImage('org/app', '1', { layers: [layer('bin/sh', 'x')] });
  const folder = join(home, '.config/containers');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'registries.conf'),
    `[[registry]]\nprefix = "registry.invalid/led"\nlocation = "${server.host}/org"\n
     [[registry]]\nlocation = "blocked.invalid"\nblocked = true\n`,
  );
  const registry = create();
  const found = await registry.look(task, parseImageRef('registry.invalid/led/app:1'), access);
  assert.deepEqual([found.digest, found.ref], [digest, 'registry.invalid/led/app:1']);
  const blocked = await refuses(registry.look(task, parseImageRef('blocked.invalid/x'), access), 'REGISTRY_UNTRUSTED');
  assert.match(blocked.message, /blocks/);
  writeFileSync(join(folder, 'policy.json'), '{"default":[{"type":"reject"}]}');
  const refused = await refuses(registry.fetch(task, found, access), 'REGISTRY_UNTRUSTED');
  assert.match(refused.message, /policy/);
});

test('a registry that is not there, and one that speaks no HTTPS', async () => {
  const port = await findFreePort();
  await refuses(create().look(task, parseImageRef(`127.0.0.1:${port}/x`), {}), 'REGISTRY_UNREACHABLE');
  await refuses(create().look(task, parseImageRef('registry.invalid/x'), {}), 'REGISTRY_UNREACHABLE');
  await withServer(
    (_, answer) => answer.end('{}'),
    async (host) => {
      const fault = await refuses(create().look(task, parseImageRef(`${host}/x`), {}), 'REGISTRY_UNTRUSTED');
      assert.ok(fault.hint?.includes(`[registries] insecure = ["${host}"]`), String(fault.hint));
    },
  );
});

test('a blob that was changed in the registry is not kept, and neither is one that is cut off', async () => {
  for (const change of [(bytes: Buffer) => bytes.fill('X', 20, 30), (bytes: Buffer) => bytes.subarray(0, 50)]) {
    const bytes = layer('bin/sh', `to be changed ${change}`);
    await server.putImage('org/bad', '1', { layers: [bytes, layer('etc/good', 'good')] });
    const registry = create();
    const found = await registry.look(task, ref('org/bad:1'), access);
    const bad = found.blobs[0]?.digest as Digest;
    const path = server.blobPath(bad);
    const good = readFileSync(path);
    writeFileSync(path, change(Buffer.from(good)));
    await refuses(registry.fetch(task, found, access), 'IMAGE_MISMATCH');
    assert.equal(existsSync(join(home, 'oci/blobs/sha256', hexOf(bad))), false);
    assert.deepEqual(readdirSync(join(home, 'oci/pulls')), []);
    writeFileSync(path, good);
    await using _fetched = await registry.fetch(task, found, access);
  }
});

for (const obstacle of OBSTACLES) {
  test(`where the disk of the cache is ${obstacle}, nothing is fetched, and it is told`, async (t) => {
    if (!mayMount(home)) return t.skip('this host lacks the ability: mount');
    await server.putImage('org/app', '1', { layers: [layer('bin/sh', 'x')] });
    const registry = create();
    const found = await registry.look(task, ref('org/app:1'), access);
    const disk = mountObstacle(join(home, 'oci'), obstacle);
    try {
      const fault = await registry.fetch(task, found, access).then(
        () => assert.fail('it was fetched'),
        (thrown) => toBangerError(thrown),
      );
      assert.equal(fault.code, obstacle === 'read-only' ? 'DISK_READ_ONLY' : 'DISK_FULL', fault.message);
      assert.deepEqual(disk.list(), disk.had);
    } finally {
      disk.unmount();
    }
    await using _fetched = await registry.fetch(task, found, access);
  });
}

test('what is no image, and layers that nobody can read, are refused before anything is fetched', async () => {
  const bytes = layer('bin/sh', 'odd');
  await server.putImage('org/odd', 'wasm', { layers: [{ ...bytes, type: 'application/vnd.example.wasm' }] });
  await server.putImage('org/odd', 'chart', { layers: [bytes], configType: 'application/vnd.example.chart+json' });
  for (const tag of ['wasm', 'chart']) {
    const fault = await refuses(create().look(task, ref(`org/odd:${tag}`), access), 'IMAGE_UNSUPPORTED');
    assert.match(fault.message, /application\/vnd\.example/);
  }
});

test('a registry that limits is told with when to ask again, at once where that is long', async () => {
  for (const [seconds, tries] of [
    ['3600', 1],
    ['0', 6],
  ] as const) {
    let asked = 0;
    const limit: RequestListener = ({ url }, answer) => {
      if (url === '/v2/') return answer.end('{}');
      asked++;
      answer.writeHead(429, { 'retry-after': seconds, 'content-type': 'application/json' });
      return answer.end('{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}');
    };
    await withServer(limit, async (host) => {
      const registry = create({ readInsecure: async () => [host] });
      const fault = await refuses(registry.look(task, parseImageRef(`${host}/x`), {}), 'REGISTRY_LIMIT');
      assert.equal(fault.details?.retryAfterSeconds, Number(seconds));
      assert.match(fault.hint as string, seconds === '0' ? /in 1\.0 s/ : /in 60 min 00 s/);
      assert.ok(asked <= tries, `asked ${asked} times`);
    });
  }
});

test('a registry that goes silent is left, and a pull that is given up leaves whole layers and nothing else', async () => {
  const [first, second] = [layer('bin/sh', 'first'), { bytes: gzipSync(Buffer.alloc(3_000_000, 'banger')) }];
  await server.putImage('org/slow', '1', { layers: [first, second] });
  const real = create();
  const manifest = await real.look(task, ref('org/slow:1'), access);
  const [one, two] = manifest.blobs as [Blob, Blob, Blob];
  const blobs = new Map<string, Buffer>(
    manifest.blobs.map(({ digest }) => [digest, readFileSync(server.blobPath(digest))]),
  );
  const bytes = readFileSync(server.blobPath(manifest.digest));
  const stuck = new EventEmitter();
  const slow: RequestListener = ({ url = '' }, answer) => {
    if (url === '/v2/') return answer.end('{}');
    if (url.includes('/manifests/')) return answer.writeHead(200, { 'content-type': MANIFEST }).end(bytes);
    const blob = blobs.get(url.split('/').at(-1) as string) as Buffer;
    answer.writeHead(200, { 'content-length': blob.length });
    if (!url.endsWith(two.digest)) return answer.end(blob);
    return answer.write(blob.subarray(0, 1000), () => stuck.emit('now'));
  };
  await withServer(slow, async (host) => {
    const registry = create({ readInsecure: async () => [host], limits: { lookMs: 20, silentMs: 2000 } });
    const found = await registry.look(task, parseImageRef(`${host}/org/slow:1`), {});
    await refuses(registry.fetch(task, found, {}), 'REGISTRY_UNREACHABLE');
    leftOnly(one.digest);
    const giveUp = new AbortController();
    const steps = new EventEmitter();
    const told = new Task(giveUp.signal, (event) => void (event.is === 'step' && steps.emit(event.step)));
    const isStuck = once(stuck, 'now');
    const cancelled = registry.fetch(told, found, {});
    await isStuck;
    const waits = once(steps, `wait until ${found.name} is fetched`);
    const alsoCancelled = registry.fetch(told, found, {});
    await waits;
    giveUp.abort();
    await Promise.all([cancelled, alsoCancelled].map((each) => refuses(each, 'CANCELLED')));
    leftOnly(one.digest);
  });
  server.forget();
  await using _fetched = await real.fetch(task, manifest, access);
  assert.deepEqual([server.served(one.digest), server.served(two.digest)], [0, 1], 'it goes on with what was whole');

  function leftOnly(whole: Digest): void {
    assert.deepEqual(readdirSync(join(home, 'oci/pulls')), []);
    const left = readdirSync(join(home, 'oci/blobs/sha256'));
    assert.ok(left.includes(hexOf(whole)) && !left.includes(hexOf(two.digest)), String(left));
  }
});

test('a layer without an end is broken off where its manifest says that it ends', async () => {
  const bytes = layer('bin/sh', 'endless').bytes;
  const digest = await server.putImage('org/endless', '1', { layers: [{ bytes }] });
  const manifest = readFileSync(server.blobPath(digest));
  let sentBytes = 0;
  const endless: RequestListener = ({ url = '' }, answer) => {
    if (url === '/v2/') return answer.end('{}');
    if (url.includes('/manifests/')) return answer.writeHead(200, { 'content-type': MANIFEST }).end(manifest);
    answer.writeHead(200);
    const piece = Buffer.alloc(65_536);
    const send = (fault?: Error | null): void => {
      sentBytes += piece.length;
      if (!fault && answer.socket?.writable) setImmediate(() => answer.write(piece, send));
    };
    return send();
  };
  await withServer(endless, async (host) => {
    const registry = create({ readInsecure: async () => [host] });
    const found = await registry.look(task, parseImageRef(`${host}/org/endless:1`), {});
    await refuses(registry.fetch(task, found, {}), 'IMAGE_MISMATCH');
    assert.ok(sentBytes < 32 * 2 ** 20, `sent ${sentBytes}`);
  });
});

test('progress is in bytes, and of the password nothing is in arguments or in what is left', async () => {
  const layers = [layer('bin/sh', 'progress'), { bytes: gzipSync(Buffer.alloc(100_000, 'x')) }];
  await server.putImage('org/shown', '1', { layers });
  const events: { is: string; done?: number; total?: number | null; step?: string; detail?: string }[] = [];
  const seen = new Task(new AbortController().signal, (event) => void events.push(event));
  const registry = create();
  const argvs: string[] = [];
  const looking = setInterval(() => argvs.push(...childArguments()), 5);
  const found = await registry.look(seen, ref('org/shown:1'), access);
  const fetched = await registry.fetch(seen, found, access);
  clearInterval(looking);
  assert.ok(
    argvs.some((argv) => argv.includes('skopeo')),
    'its arguments were seen',
  );
  assert.doesNotMatch(argvs.join('\n'), new RegExp(PASSWORD));
  const last = events.findLast(({ is }) => is === 'progress');
  assert.deepEqual([last?.done, last?.total, last?.detail], [found.totalBytes, found.totalBytes, '3 of 3 whole']);
  assert.deepEqual(
    events.flatMap(({ step }) => step?.replace(/\d+(?:\.\d)?[BK]/, 'size') ?? []),
    [`ask ${server.host} for ${server.host}/org/shown:1`, `fetch ${server.host}/org/shown:1: 3 parts, size`],
  );
  await fetched[Symbol.asyncDispose]();
  for (const file of readdirSync(home, { recursive: true }) as string[]) {
    const path = join(home, file);
    if (statSync(path).isFile()) assert.ok(!readFileSync(path).includes(PASSWORD), file);
  }
  assert.equal(existsSync(join(home, 'oci/pulls')) && readdirSync(join(home, 'oci/pulls')).length > 0, false);
});

function create(parts: Partial<RegistryParts> = {}) {
  return createRegistry({
    folder: join(home, 'oci'),
    home,
    proxies: {},
    readInsecure: async () => [],
    nowMs: Date.now,
    ...parts,
  });
}

function ref(name: string) {
  return parseImageRef(`${server.host}/${name}`);
}

function layer(name: string, content: string) {
  return gzipLayer(sampleTar({ name, content }));
}

async function refuses(promise: Promise<unknown>, code: string): Promise<BangerError> {
  const fault = (await promise.then(
    () => assert.fail(`${code} was expected`),
    (thrown) => thrown,
  )) as BangerError;
  assert.equal(fault.code, code, `${fault.code}: ${fault.message} ${JSON.stringify(fault.details)}`);
  assert.ok(fault.hint || code === 'CANCELLED');
  return fault;
}

async function withServer(listener: RequestListener, use: (host: string) => Promise<void>): Promise<void> {
  const http = createServer(listener);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  try {
    await use(`127.0.0.1:${(http.address() as AddressInfo).port}`);
  } finally {
    http.closeAllConnections();
    http.close();
  }
}

function childArguments(): string[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.flatMap((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    } catch {
      return []; // it ended
    }
  });
}
