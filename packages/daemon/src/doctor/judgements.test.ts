/** What the checks conclude from what they found. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Settings } from '../settings.ts';
import { judgeClock } from './boot-canary.ts';
import { checkCatalogs } from './catalog-checks.ts';
import { pass } from './check.ts';
import { checkDefaults } from './config-checks.ts';
import { findDriver, judgeDriver } from './driver-check.ts';
import { type Firecracker, judgeFirecracker } from './firecracker-check.ts';
import { judgeKvm } from './kvm-check.ts';
import { judgeNames, judgeUnpublished } from './names-check.ts';
import { findUrls } from './outside.ts';
import { judgeReflink, judgeSpace } from './storage-checks.ts';
import { judgeBounds, judgeWalls } from './wall-check.ts';

const GIB = 2 ** 30;
const CATALOGS = join(import.meta.dirname, '../../../../catalog');

test('KVM passes only when a guest ran on it', () => {
  const kvm = (facts: Partial<Parameters<typeof judgeKvm>[0]>) =>
    judgeKvm({ device: 'usable', extension: 'vmx', works: null, ...facts });
  assert.equal(kvm({ works: true }).status, 'pass');
  assert.deepEqual([kvm({}).status, kvm({}).fix], ['warn', 'banger doctor --boot']);
  assert.match(kvm({}).text, /no guest was tried/);
  assert.match(kvm({ works: false }).text, /did not run on it/);
  assert.equal(kvm({ device: 'absent' }).fix, 'sudo modprobe kvm_intel');
  assert.equal(kvm({ device: 'absent', extension: null }).fix, null);
  assert.match(kvm({ device: 'forbidden', works: true }).fix ?? '', /usermod/);
});

test('a default image that is neither here nor can be made fails', async () => {
  const settings = { agentPath: '/nonexistent', catalogFolder: CATALOGS, paths: { data: '/nonexistent' } } as Settings;
  const state = { check: pass('state', ''), records: { vms: [], images: [], kernels: [], damaged: [] } };
  const checks = await checkCatalogs({ settings, state, hasTool: (tool) => tool !== 'mmdebstrap' });
  const image = checks.find(({ name }) => name === 'image');
  assert.deepEqual([image?.status, image?.fix], ['fail', 'sudo apt-get install mmdebstrap']);
});

test('a host without walls is told, with what brings them where that is known', () => {
  assert.equal(judgeWalls(null).status, 'pass');
  const [absent, refused] = ['bubblewrap is not installed', 'bwrap: No permissions to create a new namespace'].map(
    judgeWalls,
  );
  assert.deepEqual([absent?.status, absent?.fix], ['warn', 'sudo apt-get install bubblewrap']);
  assert.deepEqual([refused?.status, refused?.fix], ['warn', null]);
});

test('bounds that a user could have are told with what brings them', () => {
  assert.equal(judgeBounds(null).status, 'pass');
  const reasons = ['your systemd ends with your last session, and machines do not', 'systemd does not run this host'];
  assert.deepEqual(
    reasons.map((reason) => judgeBounds(reason).fix),
    ['loginctl enable-linger', null],
  );
});

test('names that nobody is asked for are told with what helps on this host', () => {
  const at = ['10.147.112.2', '10.213.64.2'];
  const fixes = {
    resolved: /^sudo banger system restart$/,
    'resolved-unused': /stub-resolv/,
    'network-manager-dnsmasq': /server=\/vm\/10\.213\.64\.2 .*dns-full$/,
    'network-manager': /systemd-resolved .*reload NetworkManager$/,
    others: /systemd-resolved$/,
  } as const;
  for (const asks of Object.keys(fixes) as (keyof typeof fixes)[]) {
    const seen = { silent: [], resolvesTo: null, asks };
    assert.deepEqual(judgeNames(at, { ...seen, resolvesTo: '10.213.64.2' }).status, 'pass', asks);
    for (const resolvesTo of [null, '192.0.2.1']) {
      const { status, text, fix } = judgeNames(at, { ...seen, resolvesTo });
      assert.equal(status, 'warn', asks);
      assert.match(fix ?? '', fixes[asks]);
      assert.equal(text.includes('somebody else says 192.0.2.1'), resolvesTo !== null);
    }
    const silent = judgeNames(at, { ...seen, resolvesTo: '10.213.64.2', silent: ['10.147.112.2'] });
    assert.deepEqual(
      [silent.status, silent.fix],
      ['warn', 'sudo banger system restart'],
      'those who ask there get nothing',
    );
  }
});

test('names begin with the first machine, and are missing only once there is one', () => {
  assert.equal(judgeUnpublished(false).status, 'pass');
  assert.deepEqual([judgeUnpublished(true).status, judgeUnpublished(true).fix], ['warn', 'sudo banger system restart']);
});

test('too little space fails, little warns', () => {
  assert.deepEqual(
    [0.1, 1, 100].map((gib) => judgeSpace(gib * GIB, '/data').status),
    ['fail', 'warn', 'pass'],
  );
});

test('Firecracker passes with filters of its own, and else it is told what fixes it', () => {
  const usual: Firecracker = {
    ...{ path: '/p', answer: { version: '1.16.1' }, hasFilters: true, bugs: ['it is slow on Mondays'] },
  };
  const judge = (facts: Partial<Firecracker>) => judgeFirecracker({ ...usual, ...facts }, true);
  assert.deepEqual(judge({}).status, 'pass');
  assert.match(judge({}).text, /^Firecracker 1\.16\.1 at \/p, with seccomp filters of its own; it is slow on Mondays$/);
  const pull = 'banger hypervisor pull firecracker';
  for (const [facts, text, fix] of [
    [{ path: null }, /not here, so vms are run by QEMU/, pull],
    [{ answer: { fault: 'it says nothing' } }, /it says nothing/, `${pull} --force`],
    [{ hasFilters: false }, /brings no seccomp filters/, pull],
    [{ hasFilters: null }, /not known/, null],
  ] as const) {
    const check = judge(facts);
    assert.deepEqual([check.status, check.fix], ['warn', fix]);
    assert.match(check.text, text);
  }
  assert.equal(judgeFirecracker({ ...usual, path: null }, false).status, 'pass', 'nobody would gain by it');
});

test('it is told which driver a new vm gets, and why', () => {
  const here = { path: '/p', answer: { version: '1.16.1' }, hasFilters: true, bugs: [] };
  const usual: Parameters<typeof findDriver>[0] = { wanted: 'auto', firecracker: here, trial: true, device: 'usable' };
  const told = (facts: Partial<typeof usual>) => {
    const { status, text, fix } = judgeDriver(findDriver({ ...usual, ...facts }));
    return `${status}: ${text}; ${fix}`;
  };
  const absent = { ...here, path: null };
  const old = { ...here, answer: { fault: 'it is too old' } };
  assert.match(told({}), /^pass: new vms get firecracker \(auto\): it ran a guest/);
  assert.match(told({ trial: null }), /^pass: .* firecracker \(auto\) if the first guest .*, else qemu/);
  assert.match(told({ firecracker: absent }), /^pass: new vms get qemu \(auto\): Firecracker is not here/);
  assert.match(told({ firecracker: old }), /^pass: new vms get qemu \(auto\): it is too old/);
  assert.match(told({ device: 'forbidden' }), /^pass: new vms get qemu \(auto\): KVM cannot be used/);
  assert.match(told({ trial: false }), /^pass: new vms get qemu \(auto\): KVM did not run/);
  assert.match(told({ wanted: 'qemu' }), /^pass: new vms get qemu, as the config says/);
  assert.match(told({ wanted: 'firecracker' }), /^pass: new vms get firecracker \(as the config says\)/);
  assert.match(told({ wanted: 'firecracker', firecracker: absent }), /^fail: .*runs none.*; banger hypervisor pull/);
  assert.match(told({ wanted: null }), /^warn: .*cannot be read/);
});

test('whether copies are free is told by the filesystem', () => {
  assert.match(judgeReflink(0x9123683e).text, /btrfs: copies of disks share/);
  assert.match(judgeReflink(0xef53).text, /ext4: it has no reflinks/);
  assert.match(judgeReflink(0x12345).text, /0x12345: whether/);
});

test('defaults that this host cannot hold are told', () => {
  const host = { cpus: 8, memoryBytes: 16 * GIB, memoryAvailableBytes: 4 * GIB };
  const withMemory = (memoryBytes: number | null) =>
    checkDefaults(host, { cpus: null, memoryBytes, diskBytes: null, driver: null, network: null });
  assert.equal(withMemory(null).status, 'pass');
  assert.match(withMemory(null).text, /2 vcpu \(host: a quarter/);
  assert.equal(withMemory(8 * GIB).status, 'warn');
  assert.equal(withMemory(32 * GIB).status, 'fail');
});

test('a clock that is read in whole seconds is right within two more', () => {
  assert.equal(judgeClock(10_000, 10_500, 10_900).status, 'pass');
  assert.equal(judgeClock(13_000, 10_500, 11_000).status, 'pass');
  assert.equal(judgeClock(90_000, 10_500, 10_900).status, 'fail');
  assert.equal(judgeClock(0, 100_500, 100_900).status, 'fail');
  assert.equal(judgeClock(Number.NaN, 1, 2).status, 'fail');
});

test('servers outside are found in what apt reads', () => {
  const sources =
    '# deb http://no.example/\ndeb [arch=amd64] http://mirror.example:8080/debian trixie main\nURIs: https://b.example/x';
  assert.deepEqual(findUrls(sources), ['http://mirror.example:8080', 'https://b.example']);
});
