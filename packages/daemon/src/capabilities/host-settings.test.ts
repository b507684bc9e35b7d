import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { RunOptions } from '../guest/guest.ts';
import { Guest } from '../guest/guest.ts';
import type { DriverAbilities } from '../hypervisor/hypervisor.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { createHostSettingsCapability } from './host-settings.ts';
import { zoneName } from './host-time-zone.ts';

const ROOT_CA = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
const SHARE = 'usr/local/share/ca-certificates';
const EVERYTHING = { caCertificates: true, proxy: true, timeZone: true, hostPorts: [] };

test("the host's certificates are used, those that go are taken back, and the machine's own stay", async (t) => {
  const { host, guest, start } = arrange(t);
  put(host, `${SHARE}/company/root ca.crt`, ROOT_CA);
  put(host, `${SHARE}/with-key.crt`, `${ROOT_CA}-----BEGIN PRIVATE KEY-----\n`);
  put(host, `${SHARE}/readme.txt`, 'not asked for');
  put(guest, `${SHARE}/own.crt`, 'own');
  execFileSync('mkfifo', [join(host, SHARE, 'pipe.crt')]);
  put(guest, 'usr/sbin/update-ca-certificates', '#!/bin/sh\necho updated >>updates\n', 0o755);
  const wanted = { caCertificates: true, proxy: null, timeZone: null, hostPorts: [] };

  const notes = await start(wanted);
  assert.deepEqual(certificatesIn(guest), ['banger-host-0-company_root_ca.crt', 'own.crt']);
  assert.match(notes.join('\n'), /pipe\.crt is a FIFO, not a file\..*\n.*with-key\.crt holds a private key\./);
  assert.equal(read(guest, 'updates'), 'updated\n');
  await start(wanted);
  assert.equal(read(guest, 'updates'), 'updated\n', 'nothing has changed');

  put(host, `${SHARE}/second.crt`, ROOT_CA);
  rmSync(join(host, SHARE, 'company'), { recursive: true });
  await start(wanted);
  assert.deepEqual(certificatesIn(guest), ['banger-host-1-second.crt', 'own.crt']);
  await start({ ...wanted, caCertificates: null });
  assert.deepEqual(certificatesIn(guest), ['banger-host-1-second.crt', 'own.crt']);
  await start({ ...wanted, caCertificates: false });
  assert.deepEqual(certificatesIn(guest), ['own.crt']);
  assert.equal(read(guest, 'updates'), 'updated\nupdated\nupdated\n');
});

test("Debian's first certificates are added to what programs know, and later ones go through all of them", async (t) => {
  const { host, guest, start } = arrange(t);
  put(host, `${SHARE}/root.crt`, ROOT_CA.trimEnd());
  put(guest, 'usr/sbin/update-ca-certificates', '#!/bin/sh -e\necho updated >>updates\n', 0o755);
  put(guest, 'usr/bin/openssl', '#!/bin/sh\necho "$@" >>updates\n', 0o755);
  put(guest, 'etc/ssl/certs/ca-certificates.crt', "the image's\n");
  const wanted = { caCertificates: true, proxy: null, timeZone: null, hostPorts: [] };
  assert.deepEqual(await start(wanted), []);
  assert.equal(read(guest, 'etc/ssl/certs/ca-certificates.crt'), `the image's\n${ROOT_CA}`);
  assert.equal(readlinkSync(join(guest, 'etc/ssl/certs/banger-host-0-root.pem')), `/${SHARE}/banger-host-0-root.crt`);
  assert.equal(read(guest, 'updates'), 'rehash etc/ssl/certs\n');

  put(guest, `${SHARE}/banger-host.digest`, 'changing\n'); // as after a start that was cut off
  await start(wanted);
  await start({ ...wanted, caCertificates: false });
  await start({ ...wanted, caCertificates: false });
  assert.equal(read(guest, 'updates'), 'rehash etc/ssl/certs\nupdated\nupdated\n');
  put(guest, 'etc/ca-certificates/update.d/jks-keystore', '');
  await start(wanted);
  assert.equal(read(guest, 'updates'), 'rehash etc/ssl/certs\nupdated\nupdated\nupdated\n', 'Java is told too');
});

test('an image that cannot use certificates gets them with a note', async (t) => {
  const { host, guest, start } = arrange(t);
  put(host, `${SHARE}/root.crt`, ROOT_CA);
  const wanted = { caCertificates: true, proxy: null, timeZone: null, hostPorts: [] };
  assert.match((await start(wanted)).join(), /The image has no update-ca-certificates/);
  assert.deepEqual(certificatesIn(guest), ['banger-host-0-root.crt']);
  put(guest, 'usr/sbin/update-ca-certificates', '#!/bin/sh\necho cannot >&2\nexit 1\n', 0o755);
  assert.match((await start(wanted)).join(), /does not get the host's CA certificates as they are now: cannot/);
});

test("proxies go before the machine's own variables, and are replaced and taken back", async (t) => {
  const { guest, start } = arrange(t);
  put(guest, 'etc/environment', 'PATH=/bin\nEDITOR=vi');
  await start({ ...EVERYTHING, caCertificates: null, timeZone: null });
  await start({ ...EVERYTHING, caCertificates: null, timeZone: null });
  const lines = read(guest, 'etc/environment').split('\n');
  assert.equal(lines.filter((line) => line === 'http_proxy=http://proxy.example:3128').length, 1);
  assert.deepEqual(lines.slice(-2), ['PATH=/bin', 'EDITOR=vi']);
  await start({ ...EVERYTHING, caCertificates: null, timeZone: null, proxy: false });
  assert.equal(read(guest, 'etc/environment'), 'PATH=/bin\nEDITOR=vi');
});

test("the time zone is the image's own of that name, or else the host's", async (t) => {
  const { host, guest, start } = arrange(t);
  put(guest, 'usr/share/zoneinfo/Etc/UTC', 'TZif of UTC');
  put(host, 'usr/share/zoneinfo/Europe/Berlin', 'TZif of Berlin');
  symlinkSync(join(host, 'usr/share/zoneinfo/Europe/Berlin'), join(host, 'etc/localtime'));
  symlinkSync('../usr/share/zoneinfo/Etc/UTC', join(guest, 'etc/localtime'));
  const wanted = { caCertificates: null, proxy: null, timeZone: true, hostPorts: [] };

  assert.deepEqual(await start(wanted), []);
  assert.equal(read(guest, 'etc/localtime'), 'TZif of Berlin');
  assert.equal(read(guest, 'etc/timezone'), 'Europe/Berlin\n');
  assert.equal(read(guest, 'usr/share/zoneinfo/Etc/UTC'), 'TZif of UTC', 'not written through the link');
  put(guest, 'usr/share/zoneinfo/Europe/Berlin', "TZif of the image's Berlin");
  await start(wanted);
  assert.equal(readlinkSync(join(guest, 'etc/localtime')), '../usr/share/zoneinfo/Europe/Berlin');

  rmSync(join(host, 'etc/localtime'));
  put(host, 'etc/timezone', 'Mars/Base\n');
  assert.match((await start(wanted)).join(), /does not know the host's time zone, Mars\/Base/);
  put(host, 'etc/timezone', '../../../etc/shadow\n');
  assert.match((await start(wanted)).join(), /does not say its time zone/);
});

test('what is no name of a zone is none', () => {
  for (const name of ['Europe/Berlin', 'UTC', 'Etc/GMT+5', 'America/Argentina/Buenos_Aires', 'America/Port-au-Prince'])
    assert.equal(zoneName(name), name);
  for (const name of ['', '..', 'a/../b', '/etc/passwd', 'Europe/', 'a b', "a'b", '-x', 'a/b/c/d', 'x'.repeat(65)])
    assert.equal(zoneName(name), null, name);
});

test('a guest that breaks off is a note, and a start that was cancelled ends', async (t) => {
  const { start, broken } = arrange(t);
  broken.by = new Error('the agent is gone');
  const notes = await start({ ...EVERYTHING, caCertificates: false, timeZone: null });
  assert.equal(notes.length, 2);
  const cancelled = AbortSignal.abort();
  await assert.rejects(start(EVERYTHING, cancelled), { code: 'CANCELLED' });
});

/** A host and a guest, each a folder; the guest's agent runs our scripts for real. */
function arrange(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-host-settings-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [host, root] = [join(folder, 'host'), join(folder, 'guest')];
  for (const each of [host, root]) mkdirSync(join(each, 'etc'), { recursive: true });
  const broken: { by: Error | null } = { by: null };
  const guest: Guest = Object.create(Guest.prototype, {
    run: { value: run },
    writeTar: { value: writeTar },
  });
  return { host, guest: root, start, broken };

  /** One start of the vm; the notes that its user sees. */
  async function start(wanted: typeof EVERYTHING | Record<string, unknown>, signal = new AbortController().signal) {
    const notes: string[] = [];
    const task = new Task(signal, (event) => event.is === 'note' && notes.push(event.text));
    const capability = createHostSettingsCapability({
      brought: { note: async () => {} },
      hostRoot: host,
      proxies: { http_proxy: 'http://proxy.example:3128' },
      readWanted: async () => wanted as never,
      now: () => new Date(0),
    });
    const vm = { id: '0123456789ab' } as VmRecord;
    await capability.prepare?.(task, vm, {} as DriverAbilities);
    await capability.finish?.(task, vm, guest);
    await capability.release?.(vm);
    return notes;
  }

  async function run(task: Task, [program = '', ...args]: string[], { cwd, stdin }: RunOptions) {
    task.check();
    if (broken.by) throw broken.by;
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: join(root, cwd ?? 'root'), input: stdin ?? '' });
    return { exit: { code: status ?? 1 }, stdout, stderr };
  }

  async function writeTar(_task: Task, to: string, tar: Readable) {
    execFileSync('tar', ['-C', join(root, to), '-xf', '-', '--no-same-owner'], { input: await buffer(tar) });
  }
}

function put(root: string, path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text, { mode });
}

function read(root: string, path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function certificatesIn(root: string): string[] {
  return readdirSync(join(root, SHARE))
    .filter((name) => name.endsWith('.crt'))
    .sort();
}
