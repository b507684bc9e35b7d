/** What goes wrong between launch and hello: a clear error with the console's words, and nothing left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DriverName, Vm } from '@banger/contract/api/vms.ts';
import { DRIVER_NAMES } from '@banger/contract/driver-names.ts';
import type { FakeFaults } from '../support/fake-faults.ts';
import { createFakeHome } from '../support/fake-home.ts';

type Case = {
  title: string;
  faults: Partial<FakeFaults>;
  code: string;
  words: RegExp;
  /** QEMU unless it says otherwise */
  drivers?: readonly DriverName[];
};

const CASES: Case[] = [
  { title: 'QEMU is too old', faults: { fault: 'old-version' }, code: 'TOOL_TOO_OLD', words: /6\.2\.0/ },
  {
    title: 'the hypervisor ends at once',
    faults: { fault: 'exit-at-start' },
    code: 'HYPERVISOR_FAILED',
    words: /told to fail/,
    drivers: DRIVER_NAMES,
  },
  { title: 'QEMU gets no memory', faults: { fault: 'no-memory' }, code: 'NOT_ENOUGH_MEMORY', words: /memory/ },
  {
    title: 'the kernel panics',
    faults: { fault: 'panic', afterMs: 300 },
    code: 'VM_BOOT_FAILED',
    words: /Kernel panic - not syncing: told to/,
    drivers: DRIVER_NAMES,
  },
  {
    title: 'the agent never says hello',
    faults: { fault: 'never-hello' },
    code: 'VM_BOOT_TIMEOUT',
    words: /within 4 s\.[\s\S]*\| banger fake machine/,
    drivers: DRIVER_NAMES,
  },
  {
    title: 'the guest is silent',
    faults: { fault: 'silent' },
    code: 'VM_BOOT_TIMEOUT',
    words: /did not say hello within 4 s, and wrote nothing to its console\.[\s\S]*hint: Another kernel/,
  },
  {
    title: 'the agent reports a failed boot',
    faults: { fault: 'boot-fail' },
    code: 'VM_BOOT_FAILED',
    words: /./,
    drivers: DRIVER_NAMES,
  },
  { title: 'the agent floods', faults: { fault: 'flood-before-ready' }, code: 'AGENT_PROTOCOL', words: /./ },
];

const TRIALS = CASES.flatMap(({ drivers = ['qemu'], ...each }) => drivers.map((driver) => ({ ...each, driver })));

for (const { title, faults, code, words, driver } of TRIALS) {
  test(`${driver}: ${title}: ${code}, and nothing is left`, async (t) => {
    const home = await createFakeHome(t, { BANGER_BOOT_TIMEOUT_MS: '4000' }, driver);
    home.setFaults(faults);
    const { stdout, stderr, code: exit } = await home.run(['vm', 'run', '--rm', '--', 'true']);
    assert.match(stderr, new RegExp(`\\(${code}\\)`));
    assert.match(stderr, words);
    assert.equal(stdout, '');
    assert.notEqual(exit, 0);
    assert.deepEqual((await home.json<{ vms: Vm[] }>(['vm', 'ls'])).vms, []);
    assert.deepEqual(await home.leftovers(), []);
  });
}

test('a start that fails leaves the machine stopped, with its disk and the reason', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web']);
  home.setFaults({ fault: 'panic', afterMs: 300 });
  assert.match((await home.run(['vm', 'start', 'web'])).stderr, /VM_BOOT_FAILED/);
  const { state, fault } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.deepEqual([state.is, fault?.code], ['stopped', 'VM_BOOT_FAILED']);
  home.setFaults({});
  await home.json(['vm', 'start', 'web']);
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).fault, null);
});

test('QEMU that is not installed is named, with what installs it', async (t) => {
  const home = await createFakeHome(t, { BANGER_QEMU: '/nonexistent/qemu-system-x86_64' });
  const { code, stderr } = await home.run(['vm', 'run', '--rm', '--', 'true']);
  assert.match(stderr, /qemu-system-x86_64" is not installed[\s\S]*TOOL_MISSING[\s\S]*make setup/);
  assert.equal(code, 69);
  const named = await home.run(['vm', 'create', '--driver', 'qemu']);
  assert.match(named.stderr, /"qemu" cannot run a vm here[\s\S]*DRIVER_UNAVAILABLE[\s\S]*apt-get install/);
  assert.deepEqual(await home.leftovers(), []);
});
