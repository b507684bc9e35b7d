import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { Digest } from '@banger/contract/digest.ts';
import { createLog } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import { locateProgram } from './pulled.ts';
import { createReleases, type Releases } from './releases.ts';
import { PROGRAM_ENTRY, sampleArchive, sampleProgram } from './sample-release.ts';

const CATALOG = join(import.meta.dirname, '../../../../catalog/hypervisors.json');
const PATH = '/releases/download/v1.16.1/firecracker-v1.16.1-x86_64.tgz';
const task = Task.background();

let shared: string;
let server: ReturnType<typeof createServer>;
let base: string;
let home: string;
let releases: Releases;
/** What the server does at a path; what it was asked for */
let answers: Record<string, RequestListener>;
let asked: string[];

// The host's own store of certificates has the one of the test's server in it, and no other.
before(async () => {
  shared = mkdtempSync(join(tmpdir(), 'banger-certificate-'));
  const [key, certificate] = [join(shared, 'key.pem'), join(shared, 'etc/ssl/certs/ca-certificates.crt')];
  mkdirSync(join(shared, 'etc/ssl/certs'), { recursive: true });
  const catalog = readFileSync(CATALOG, 'utf8').replace('134217728', String(2 ** 20));
  writeFileSync(join(shared, 'hypervisors.json'), catalog);
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/CN=test', '-days', '2'];
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:releases.test', '-nodes'];
  execFileSync('openssl', ['req', '-x509', ...made, ...names, '-keyout', key, '-out', certificate], { stdio: 'pipe' });
  server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
    asked.push(request.url as string);
    const answer = answers[request.url as string] ?? ((_, notThere) => notThere.writeHead(404).end());
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `https://127.0.0.1:${(server.address() as AddressInfo).port}/releases`;
});

after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(shared, { recursive: true });
});

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'banger-releases-'));
  answers = {};
  asked = [];
  releases = create();
});

afterEach(() => rmSync(home, { recursive: true }));

test('a release is fetched, checked and kept once, from where the config says or who asks', async () => {
  const archive = sampleArchive();
  answers['/releases/download/v1.16.1/firecracker-v1.16.1-x86_64.tgz'] = redirect('/elsewhere?key=1');
  answers['/elsewhere?key=1'] = send(archive);
  assert.deepEqual((await releases.list())[0]?.pulled, null);
  assert.equal(await located(), 'firecracker', "the host's own");

  const { pulled } = await releases.pull(task, 'firecracker', { from: base, digest: digestOf(archive) });
  assert.deepEqual([pulled?.version, pulled?.digest], ['1.16.1', digestOf(sampleProgram())]);
  const path = await located();
  assert.equal(execFileSync(path, { encoding: 'utf8' }), 'Firecracker v1.16.1\n');
  assert.equal(await locateProgram(join(home, 'hypervisors'), '/opt/firecracker'), '/opt/firecracker');
  assert.equal(asked.length, 2);

  const notes: string[] = [];
  const telling = new Task(task.signal, (event) => event.is === 'note' && notes.push(event.text));
  await releases.pull(telling, 'firecracker');
  assert.deepEqual([asked.length, notes], [2, ['firecracker 1.16.1 is here already; --force fetches it anew.']]);

  const configured = create({ readAddress: async () => `${base}/` });
  await configured.pull(task, 'firecracker', { force: true, digest: digestOf(archive) });
  assert.equal(asked.length, 4);
  assert.equal(folders().length, 1);
});

test('a program that was changed by hand is made anew by the next pull', async () => {
  const archive = sampleArchive();
  answers[PATH] = send(archive);
  const options = { from: `${base.replace(/releases$/, '')}${PATH.slice(1)}`, digest: digestOf(archive) };
  await releases.pull(task, 'firecracker', options);
  const path = await located();
  rmSync(path);
  writeFileSync(path, 'another');
  await releases.pull(task, 'firecracker', options);
  assert.deepEqual(readFileSync(path), sampleProgram());
});

test('without a digest to hold it to, nothing is asked for', async () => {
  await assert.rejects(releases.pull(task, 'firecracker', { from: base }), {
    code: 'HYPERVISOR_UNVERIFIED',
    hint: /--digest sha256:/,
  });
  assert.deepEqual([asked, folders()], [[], []]);
});

test('without an address, with one that is not https, and for what is not in the catalog it says what to do', async () => {
  const digest = digestOf(Buffer.of());
  for (const [from, message] of [
    [undefined, /Nothing says where/],
    ['http://releases.test/', /must begin with "https:/],
    ['https://me:secret@releases.test/', /^((?!secret).)*without a name and a password\.$/],
    ['ftp://releases.test', /must begin with/],
  ] as const) {
    const pulling = releases.pull(task, 'firecracker', { from, digest });
    await assert.rejects(pulling, { code: 'HYPERVISOR_FETCH_FAILED', message });
  }
  await assert.rejects(releases.pull(task, 'qemu'), { code: 'HYPERVISOR_NOT_FOUND', hint: /qemu-system-x86/ });
});

const good = sampleArchive();
const FAULTY: [title: string, answer: RequestListener, expected: { code: string; message: RegExp }][] = [
  ['another file', send(sampleArchive([])), { code: 'HYPERVISOR_INVALID', message: /digest sha256:.* should have/ }],
  ['nothing there', (_, response) => response.writeHead(404).end(), failed(/HTTP status 404/)],
  ['a redirect out of HTTPS', redirect('http://127.0.0.1/x'), failed(/where HTTPS does not/)],
  ['a redirect to a file', redirect('file:///etc/passwd'), failed(/where HTTPS does not/)],
  ['redirects without an end', redirect(PATH), failed(/leads on more than 5 times/)],
  ['a redirect to nowhere', (_, response) => response.writeHead(302).end(), failed(/HTTP status 302/)],
  ['an end in the middle', cutAfter(good), failed(/aborted|hang up|terminated|reset/)],
  ['one who says that it is too large', (_, response) => void begin(response, 2 ** 40), invalid(/larger than 1M/)],
  ['one who never ends', (_, response) => flood(response), invalid(/larger than 1M/)],
  ['silence', () => {}, failed(/nothing came for 0.3 s/)],
  [
    'silence in the middle',
    (_, response) => begin(response, good.length).write('a'),
    failed(/nothing came for|aborted/),
  ],
];
for (const [title, answer, expected] of FAULTY) {
  test(`from the network, refused with nothing left: ${title}`, async () => {
    answers[PATH] = answer;
    const hasty = { limits: { wholeMs: 60_000, silentMs: 300 } };
    const patience = title.startsWith('silence') ? hasty : {};
    await assert.rejects(create(patience).pull(task, 'firecracker', { from: base, digest: digestOf(good) }), expected);
    assert.deepEqual(folders(), []);
  });
}

test('who sends a little at a time is given up in the end', async () => {
  answers[PATH] = (_, response) => {
    begin(response, good.length);
    const dripping = setInterval(() => response.write('a'), 20);
    response.on('close', () => clearInterval(dripping));
  };
  const hasty = create({ limits: { wholeMs: 500, silentMs: 60_000 } });
  const pulling = hasty.pull(task, 'firecracker', { from: base, digest: digestOf(good) });
  await assert.rejects(pulling, failed(/not there after/));
  assert.deepEqual(folders(), []);
});

test('a pull that is cancelled leaves nothing, wherever it is', async () => {
  const stop = new AbortController();
  answers[PATH] = (_, response) => {
    begin(response, good.length).write('a', () => stop.abort());
  };
  const stopped = new Task(stop.signal, () => {});
  const pulling = releases.pull(stopped, 'firecracker', { from: base, digest: digestOf(good) });
  await assert.rejects(pulling, { code: 'CANCELLED' });
  assert.deepEqual(folders(), []);
});

test('a server whose certificate the host does not trust is not heard', async () => {
  answers[PATH] = send(good);
  const wary = create({ hostRoot: home });
  const pulling = wary.pull(task, 'firecracker', { from: base, digest: digestOf(good) });
  await assert.rejects(pulling, failed(/self-signed certificate/));
  assert.deepEqual([asked, folders()], [[], []]);
});

test('it goes through the proxy of the owner, whose password is told to nobody else', async () => {
  let tunnels = 0;
  const proxy = createHttpServer().on('connect', (request, socket) => {
    const isWelcome = request.headers['proxy-authorization'] === `Basic ${Buffer.from('me:secret').toString('base64')}`;
    if (!isWelcome) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    tunnels++;
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const onward = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) end.on('error', () => {});
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  try {
    answers[PATH] = send(good);
    const at = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const pull = (password: string) =>
      create({ proxies: { https_proxy: `me:${password}@${at}` } }).pull(task, 'firecracker', {
        from: base.replace('127.0.0.1', 'releases.test'),
        digest: digestOf(good),
      });
    await assert.rejects(
      pull('wrong-word'),
      ({ message }: Error) => /proxy/.test(message) && !/wrong-word/.test(message),
    );
    await pull('secret');
    assert.equal(tunnels, 1);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

const REFUSED: [title: string, bytes: Buffer, message: RegExp][] = [
  ['text', Buffer.from('#!/bin/sh\necho Firecracker v1.16.1\n'), /neither a program nor a \.tgz/],
  ['nothing', Buffer.of(), /neither a program nor a \.tgz/],
  ['an archive that is cut off', good.subarray(0, 300), /damaged/],
  ['an archive with a fault in it', corrupt(good), /damaged/],
  ['an archive of something else', sampleArchive([]), /has no release-v1.16.1-x86_64\/firecracker/],
  ['the program twice', sampleArchive([entry(), entry()]), /in it twice/],
  ['a link in its place', sampleArchive([{ name: PROGRAM_ENTRY, type: 'symlink' }]), /is no file/],
  ['an archive of 65 MiB of zeros', sampleArchive([entry(Buffer.alloc(65 * 2 ** 20))]), /larger than 64M/],
  ['another version', sampleArchive([entry(sampleProgram('Firecracker v1.15.1\n'))]), /it says "Firecracker v1.15.1"/],
  ['another program', readFileSync('/bin/true'), /it says/],
  ['what cannot be run', sampleArchive([entry(Buffer.from('7f454c46', 'hex'))]), /cannot be run/],
];
for (const [title, bytes, message] of REFUSED) {
  test(`of the owner's own, refused with nothing left: ${title}`, async () => {
    const path = join(home, 'own');
    writeFileSync(path, bytes);
    await assert.rejects(releases.pull(task, 'firecracker', { from: path }), invalid(message));
    assert.deepEqual(folders(), []);
  });
}

test("a file of the owner's own is taken as a release, as a folder of one or as the program itself", async () => {
  const own = join(home, 'own');
  mkdirSync(own);
  await assert.rejects(releases.pull(task, 'firecracker', { from: own }), {
    code: 'FILE_NOT_FOUND',
    message: /none of/,
  });
  writeFileSync(join(own, 'firecracker'), sampleProgram());
  await releases.pull(task, 'firecracker', { from: own });
  writeFileSync(join(own, 'firecracker-v1.16.1-x86_64.tgz'), good);
  await releases.pull(task, 'firecracker', { from: own, force: true, digest: digestOf(good) });
  await releases.pull(task, 'firecracker', { from: join(own, 'firecracker'), force: true });
  const pulling = releases.pull(task, 'firecracker', { from: own, force: true, digest: digestOf(sampleProgram()) });
  await assert.rejects(pulling, invalid(/should have/));
  execFileSync('mkfifo', [join(own, 'pipe')]);
  await assert.rejects(
    releases.pull(task, 'firecracker', { from: join(own, 'pipe'), force: true }),
    invalid(/is a FIFO/),
  );
  await assert.rejects(releases.pull(task, 'firecracker', { from: join(home, 'no'), force: true }), {
    code: 'FILE_NOT_FOUND',
  });
  assert.equal(folders().length, 1, 'what was there stays as it is');
});

test('a daemon that starts removes what a pull that was killed left, and what a newer one took the place of', async () => {
  writeFileSync(join(home, 'one'), sampleProgram());
  await releases.pull(task, 'firecracker', { from: join(home, 'one') });
  const [first = ''] = folders();
  mkdirSync(join(home, 'hypervisors/.staging-0123456789ab'));
  const newer = join(home, 'hypervisors', 'a'.repeat(64));
  mkdirSync(newer);
  writeFileSync(join(newer, 'firecracker'), 'x');
  const manifest = { v: 1, name: 'firecracker', version: '1.17.0', createdAt: '2999-01-01T00:00:00.000Z' };
  writeFileSync(join(newer, 'manifest.json'), JSON.stringify(manifest));
  await create().sweep();
  assert.deepEqual(folders(), ['a'.repeat(64)], `${first} is gone`);
});

function create({ hostRoot = shared, proxies = {}, ...own }: Partial<Own> = {}): Releases {
  return createReleases({
    folder: join(home, 'hypervisors'),
    catalogFolder: shared,
    fetching: { hostRoot, proxies, ...(own.limits && { limits: own.limits }) },
    readAddress: own.readAddress ?? (async () => null),
    log: createLog(() => {}),
    now: () => new Date(),
  });
}

/** Which program a vm would get */
function located(): Promise<string> {
  return locateProgram(join(home, 'hypervisors'), 'firecracker');
}

type Own = {
  hostRoot: string;
  proxies: Record<string, string>;
  limits: { wholeMs: number; silentMs: number };
  readAddress: () => Promise<string | null>;
};

function folders(): string[] {
  return existsSync(join(home, 'hypervisors')) ? readdirSync(join(home, 'hypervisors')) : [];
}

function digestOf(bytes: Buffer): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

function entry(content = sampleProgram()) {
  return { name: PROGRAM_ENTRY, content };
}

function corrupt(archive: Buffer): Buffer {
  const copy = Buffer.from(archive);
  copy.fill(0xff, 100, 110);
  return copy;
}

function failed(message: RegExp) {
  return { code: 'HYPERVISOR_FETCH_FAILED', message };
}

function invalid(message: RegExp) {
  return { code: 'HYPERVISOR_INVALID', message };
}

function send(bytes: Buffer): RequestListener {
  return (_, response) => begin(response, bytes.length).end(bytes);
}

function redirect(location: string): RequestListener {
  return (_, response) => response.writeHead(302, { location }).end();
}

function cutAfter(bytes: Buffer): RequestListener {
  return (_, response) => begin(response, bytes.length).write(bytes.subarray(0, 100), () => response.destroy());
}

function begin(response: ServerResponse, lengthBytes: number): ServerResponse {
  response.writeHead(200, { 'content-length': lengthBytes }).flushHeaders();
  return response;
}

function flood(response: ServerResponse): void {
  const chunk = Buffer.alloc(2 ** 20);
  response.writeHead(200);
  const more = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
}
