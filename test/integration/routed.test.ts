/** Stories of machines with an address of their own, on a host of namespaces with the real root helper. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { StatsSample } from '@banger/contract/api/stats.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { killProcess, listProcesses } from '../../packages/daemon/src/platform/processes.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { createRoutedHost } from '../support/routed-host.ts';

const ROUTED = ['--network', 'routed'];
/** In a user namespace the host's folders belong to nobody that a daemon trusts. */
const asRoot = process.getuid?.() === 0 ? {} : { skip: 'needs root' };

test(
  'a machine keeps its address until it is removed, and moves only where a route of the host takes it',
  asRoot,
  async (t) => {
    const { home, host, removeAll } = await homeOn(t);
    const create = (name: string) => home.json<Vm>(['vm', 'create', '--name', name, ...ROUTED, '--start']);
    const address = async (name: string) => (await home.json<Vm>(['vm', 'show', name])).address;
    const { id } = await create('one');
    assert.equal(await address('one'), '10.213.64.16');
    assert.match(host.ip('route', 'get', '10.213.64.16'), new RegExp(`dev bgr${id}`));
    assert.match((await home.run(['vm', 'ls'])).stdout, /^NAME +STATE +ADDRESS .*\none +running +10\.213\.64\.16 /);
    await create('two');
    assert.equal(await address('two'), '10.213.64.17');
    const { vms } = await home.json<StatsSample>(['vm', 'stats', '--once', 'two']);
    assert.equal(typeof vms[0]?.machine?.receivedBytes?.total, 'number', 'its device counts');

    await home.json(['vm', 'stop', '--timeout', '0s', 'one']);
    assert.deepEqual(host.devices(), [`bgr${(await home.json<Vm>(['vm', 'show', 'two'])).id}`]);
    await home.run(['daemon', 'stop']);
    await home.json(['vm', 'start', 'one']);
    assert.equal(await address('one'), '10.213.64.16');
    assert.equal(await address('two'), '10.213.64.17', 'a daemon that comes later knows it');

    await home.json(['vm', 'rm', '--force', 'one']);
    await create('three');
    assert.equal(await address('three'), '10.213.64.16', 'it is given back');

    // Another banger of the owner's takes the address while nobody has it.
    const other = { vm: 'ffffffffffff' };
    await home.json(['vm', 'kill', 'three']);
    await host.helper.ask(Task.background(), 'attach', { ...other, subnet: 0, lease: 16, reach: [] });
    const moved = await home.run(['vm', 'start', 'three']);
    assert.match(
      moved.stderr,
      /The address of three is 10\.213\.64\.18 from now on: .*16 is the address of bgrffffffffffff/,
    );
    await host.helper.ask(Task.background(), 'detach', other);

    await home.json(['vm', 'kill', 'three']);
    host.ip('route', 'add', '10.0.0.0/8', 'dev', 'lo');
    const { stderr } = await home.run(['vm', 'start', 'three']);
    assert.match(stderr, /The address of three is 192\.168\.144\.16 from now on: .*10\.0\.0\.0\/8 dev lo/);
    assert.equal(await address('three'), '192.168.144.16');
    await removeAll();
  },
);

test('a machine without a network has no device, and what no network gives is refused', asRoot, async (t) => {
  const { home, host, removeAll } = await homeOn(t);
  const made = await home.json<Vm>(['vm', 'create', '--name', 'apart', '--network', 'none', '--start']);
  assert.deepEqual([made.address, made.state.is === 'running' && made.state.network], [null, null]);
  assert.deepEqual(host.devices(), []);
  const [qemu] = listProcesses(({ argv }) => argv.includes(`guest=banger-${made.id}`));
  assert.ok(qemu);
  await home.json(['vm', 'create', '--name', 'web', ...ROUTED, '--start']);
  assert.equal(host.hasPolicy(), true);
  await home.json(['vm', 'kill', 'web']);
  assert.equal(host.hasPolicy(), false, 'the other machine needs no rules');
  for (const asked of [
    [...ROUTED, '--host-port', '5432'],
    ['--network', 'none', '--allow', 'host'],
  ]) {
    const { code, stderr } = await home.run(['vm', 'create', ...asked]);
    assert.match(stderr, /NETWORK_LIMIT/);
    assert.equal(code, 65);
  }

  const set = (...words: string[]) => home.run(['vm', 'set', 'web', ...words]);
  assert.match((await set('--allow', 'machines', '--allow', 'host')).stdout, /, allow machines, host$/m);
  assert.match((await set('--network', 'user')).stderr, /--allow machines, host\..*\(NETWORK_LIMIT\)/s);
  assert.match((await set('--allow', 'none', '--allow', 'host')).stderr, /\(USAGE\)/);
  assert.deepEqual((await home.json<Vm>(['vm', 'show', 'web'])).allow, ['machines', 'host']);
  assert.match((await set('--network', 'user', '--allow', 'none')).stdout, /, network user, allow none$/m);
  await removeAll();
});

test('without the helper it is told how to go on, nothing is left, and later the rest is swept', asRoot, async (t) => {
  const { home, host, removeAll } = await homeOn(t);
  await home.json(['vm', 'create', '--name', 'web', ...ROUTED, '--start']);
  await host.stopHelper();
  await home.json(['vm', 'kill', 'web']);
  assert.equal(host.devices().length, 1, 'only root can take it away');
  const { code, stderr } = await home.run(['vm', 'start', 'web']);
  assert.equal(code, 69);
  assert.match(stderr, /\(HELPER_MISSING\)[\s\S]*banger vm set --network user web/);
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).state.is, 'stopped');

  await host.startHelper();
  await home.run(['daemon', 'stop']);
  await home.json(['vm', 'ls']);
  assert.deepEqual(host.devices(), [], 'the next daemon has it swept');
  await home.json(['vm', 'start', 'web']);
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).address, '10.213.64.16');
  await removeAll();
});

test('a network that ends before its machine is told, and comes back with a restart', asRoot, async (t) => {
  const { home, removeAll } = await homeOn(t);
  const { id } = await home.json<Vm>(['vm', 'create', '--name', 'web', ...ROUTED, '--start']);
  for (const found of carriersOf(home.folder)) await killProcess(found);
  const vm = await home.untilVm('web', ({ fault }) => fault !== null);
  assert.equal(vm.fault?.code, 'NETWORK_FAILED');
  assert.equal(vm.id, id);
  await home.json(['vm', 'restart', '--timeout', '0s', 'web']);
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).fault, null);
  await removeAll();
});

test('a daemon that is killed at each step of a network leaves no tap and no process of it', asRoot, async (t) => {
  const { home, host, removeAll } = await homeOn(t);
  await home.json(['vm', 'create', '--name', 'web', ...ROUTED]);
  const arm = join(home.folder, 'crash');
  const crash = {
    env: { BANGER_TEST_IMPORT: new URL('../support/crash-after.ts', import.meta.url).pathname, BANGER_CRASH_FILE: arm },
  };
  const steps: [string, string[]][] = [
    ['network.tap', ['vm', 'start', 'web']], // before it is written down
    ['mkfifo', ['vm', 'start', 'web']], // with a tap, and nobody who serves it
    ['banger-link', ['vm', 'start', 'web']],
    ['/vmm', ['vm', 'start', 'web']], // served, and nobody is connected
    ['network.tap', ['vm', 'kill', 'web']], // the tap is gone, and this is not written down
  ];
  for (const [step, command] of steps) {
    if (command[1] === 'kill') await home.json(['vm', 'start', 'web']);
    await home.run(['daemon', 'stop']);
    await home.run(['vm', 'ls'], crash);
    await writeFile(arm, step);
    await home.run(command, crash);
    assert.ok(existsSync(`${arm}.hit`), step);
    await Promise.all([arm, `${arm}.hit`].map((path) => rm(path)));
    const { state } = await home.json<Vm>(['vm', 'show', 'web']);
    assert.equal(state.is, 'stopped', step);
    assert.deepEqual([host.devices(), carriersOf(home.folder)], [[], []], step);
  }
  await home.json(['vm', 'start', 'web']);
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).address, '10.213.64.16');
  await removeAll();
});

async function homeOn(t: TestContext) {
  const host = await createRoutedHost();
  try {
    const home = await createFakeHome(t, host.env, 'qemu', host.around);
    const removeAll = async () => {
      const { vms } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
      await home.json(['vm', 'rm', '--force', ...vms.map(({ name }) => name)]);
      assert.deepEqual([host.devices(), host.hasPolicy()], [[], false]);
    };
    return { host, home, removeAll };
  } finally {
    t.after(host.end);
  }
}

function carriersOf(folder: string) {
  return listProcesses(({ argv }) => argv.includes('carry') && argv.some((word) => word.startsWith(folder)));
}
