/** The doctor: what it says about this host, and that it changes nothing. */
import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { TimedCheck } from '@banger/contract/api/doctor.ts';
import type { Hypervisor } from '@banger/contract/api/hypervisors.ts';
import { sampleProgram } from '../../packages/daemon/src/releases/sample-release.ts';
import { createFakeHome } from '../support/fake-home.ts';

type Report = { passed: number; warned: number; failed: number; checks: TimedCheck[] };
type FakeHome = Awaited<ReturnType<typeof createFakeHome>>;

async function examine(
  home: FakeHome,
  args: string[] = [],
): Promise<Report & { code: number | null; of: (name: string) => TimedCheck }> {
  const { code, stdout } = await home.run(['doctor', '--json', ...args]);
  const report = JSON.parse(stdout) as Report;
  const of = (name: string) => report.checks.find((check) => check.name === name) as TimedCheck;
  return { ...report, code, of };
}

test('the doctor needs no daemon, starts none, writes nothing, and takes less than a second', async (t) => {
  const home = await createFakeHome(t);
  const files = async () =>
    (await readdir(home.folder, { recursive: true })).filter((path) => !path.includes('node-compile-cache')).sort();
  await home.run(['doctor']); // fills Node's cache of compiled files
  const before = await files();
  const beganMs = performance.now();
  const { code, failed, checks, of } = await examine(home);
  const tookMs = performance.now() - beganMs;
  assert.deepEqual([code, failed], [0, 0], JSON.stringify(checks));
  assert.match(of('image').text, /"debian" is here/);
  assert.match(of('kernel').text, /"debian" is here/);
  assert.match(of('state').text, /version \d+, 0 vms/);
  assert.deepEqual(await files(), before);
  assert.equal((await home.run(['daemon', 'status'])).code, 69);
  t.diagnostic(`it took ${Math.round(tookMs)} ms`);
});

test('a hypervisor that was pulled is what the doctor finds', async (t) => {
  const home = await createFakeHome(t, { BANGER_FIRECRACKER: 'firecracker' });
  const release = join(home.folder, 'firecracker');
  await writeFile(release, sampleProgram());
  const { pulled } = await home.json<Hypervisor>(['hypervisor', 'pull', 'firecracker', '--from', release]);
  assert.equal(pulled?.version, '1.16.1');
  assert.deepEqual(
    (await home.json<{ hypervisors: Hypervisor[] }>(['hypervisor', 'ls'])).hypervisors[0]?.pulled,
    pulled,
  );
  const { of } = await examine(home);
  assert.equal(of('firecracker').status, 'pass');
  assert.match(
    of('firecracker').text,
    /^Firecracker 1\.16\.1 at .*\/firecracker, with seccomp filters.*; after a pause/,
  );
  assert.match(of('driver').text, /^new vms get (firecracker \(auto\) if|qemu \(auto\): KVM)/);
  assert.match((await home.run(['system', 'df'])).stdout, /^hypervisor +firecracker /m);
  const refused = await home.run([
    'hypervisor',
    'pull',
    'firecracker',
    '--force',
    '--from',
    'https://releases.example',
  ]);
  assert.match(refused.stderr, /HYPERVISOR_UNVERIFIED/);
});

test('a host on which nothing works is told so, each time with what fixes it', async (t) => {
  const absent = ['QEMU', 'PASST', 'PASTA'].map((tool) => [`BANGER_${tool}`, 'no-such-tool']);
  const home = await createFakeHome(t, Object.fromEntries(absent));
  const { code, of } = await examine(home);
  assert.equal(code, 69);
  assert.deepEqual([of('qemu').status, of('qemu').fix], ['fail', 'sudo apt-get install qemu-system-x86']);
  assert.deepEqual([of('no-such-tool').status, of('no-such-tool').fix], ['fail', 'sudo apt-get install passt']);
});

test('a state that is too new fails, as does a broken config, and the rest is told all the same', async (t) => {
  const home = await createFakeHome(t);
  const database = new DatabaseSync(join(home.paths.state, 'state.sqlite'));
  database.exec('PRAGMA user_version = 999');
  database.close();
  await home.writeConfig('[vm_default]\n');
  const { code, of } = await examine(home);
  assert.equal(code, 69);
  assert.deepEqual([of('state').status, of('config').status, of('qemu').status], ['fail', 'fail', 'pass']);
  assert.match(of('config').text, /line 1: there is no key "vm_default"/);
  assert.equal(of('leftovers').status, 'warn', 'what it could not see does not pass');
});

test('what a run has left is found, and what has no record is told apart and stays', async (t) => {
  const home = await createFakeHome(t);
  const unrecorded = join(home.paths.data, 'vms/aabbccddeeff');
  await mkdir(unrecorded, { recursive: true });
  await mkdir(join(home.paths.runtime, 'vms/001122334455'), { recursive: true });
  const { of } = await examine(home);
  assert.equal(of('leftovers').status, 'warn');
  assert.match(of('leftovers').text, /001122334455$/);
  assert.deepEqual([of('unrecorded').status, of('unrecorded').fix], ['warn', 'banger system df']);
  assert.match(of('unrecorded').text, /aabbccddeeff/);

  await home.json(['vm', 'create', '--name', 'web', '--start']);
  const { of: now } = await examine(home);
  assert.equal(now('leftovers').status, 'pass', 'a running vm is none, and the daemon removed the other');
  assert.equal(now('unrecorded').status, 'warn');
  await home.json(['system', 'prune', 'vms/aabbccddeeff']);
  assert.equal((await examine(home)).of('unrecorded').status, 'pass');
});

test('with --boot a vm is tried, and nothing of it is left', async (t) => {
  const home = await createFakeHome(t);
  const { of, checks } = await examine(home, ['--boot']);
  for (const name of ['boot', 'agent', 'clock', 'disk write', 'shutdown']) {
    assert.equal(of(name)?.status, 'pass', JSON.stringify(checks));
    assert.ok(of(name).durationMs >= 0);
  }
  assert.deepEqual(await home.json(['vm', 'ls']), { vms: [] });
  assert.deepEqual(await home.leftovers(), []);
});

test('a vm that does not boot is a finding, and nothing of it is left', async (t) => {
  const home = await createFakeHome(t);
  home.setFaults({ fault: 'panic', afterMs: 10 });
  const { code, of } = await examine(home, ['--boot']);
  assert.deepEqual([code, of('boot').status], [69, 'fail']);
  assert.deepEqual(await home.leftovers(), []);
});
