/** The user's config: what it changes, what it says, and what a broken one stops. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConfigShown } from '@banger/contract/api/config.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createFakeHome } from '../support/fake-home.ts';

test('the config is shown with and without a daemon, which showing does not start', async (t) => {
  const home = await createFakeHome(t);
  const none = await home.json<ConfigShown>(['config', 'show']);
  assert.equal(none.isThere, false);
  assert.notEqual(none.vmDefaults.cpus.from, 'config');
  assert.equal((await home.run(['daemon', 'status'])).code, 69);

  await home.writeConfig('[vm_defaults]\nmemory = "384M"\n');
  const { path } = await home.json<{ path: string }>(['config', 'path']);
  assert.equal(path, join(home.folder, 'config/banger/config.toml'));
  const without = await home.json<ConfigShown>(['config', 'show']);
  assert.deepEqual(without.vmDefaults.memoryBytes, { value: 384 * 2 ** 20, from: 'config', why: 'line 2' });

  await home.json(['vm', 'ls']);
  assert.deepEqual(await home.json(['config', 'show']), without, 'the daemon goes by the same');
  assert.match((await home.run(['config', 'show'])).stdout, /vm_defaults\.memory +384 MiB +config \(line 2\)/);
});

test('defaults come from the config as it is now, and are seen in spec, vm and help', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'ls']);
  await home.writeConfig('[vm_defaults]\ncpus = 1\nmemory = "256M"\ndisk_size = "1G"\n');
  const { stderr } = await home.run(['vm', 'create', '--name', 'one']);
  assert.match(stderr, /spec: 1 vcpu · 256 MiB · 1G disk/);
  const help = (await home.run(['vm', 'run', '--help'])).stdout.replaceAll(/\s+/g, ' ');
  assert.match(help, /default 256 MiB \(config: line 3\)/);

  await home.writeConfig('[vm_defaults]\nmemory = "320M"\ndriver = "qemu"\n');
  const vm = await home.json<Vm>(['vm', 'create', '--name', 'two', '--disk-size', '2G']);
  assert.deepEqual([vm.memoryBytes, vm.diskBytes, vm.driver], [320 * 2 ** 20, 2 * 2 ** 30, 'qemu']);
  const three = await home.json<Vm>(['vm', 'create', '--name', 'three', '--driver', 'auto']);
  assert.deepEqual(
    [three.driver, (await home.json<Vm>(['vm', 'set', 'two', '--driver', 'auto'])).driver],
    ['auto', 'auto'],
  );
  assert.match((await home.run(['vm', 'set', 'two', '--driver', 'qemu'])).stdout, /, driver qemu$/m);
  assert.match((await home.run(['vm', 'ls'])).stdout, /^two +stopped +qemu [\s\S]*^three +stopped +auto /m);
});

test('a broken config stops what needs it, names the line, and leaves the rest', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web']);
  const pid = await home.daemonPid();
  await home.writeConfig('\n[vm_defaults]\nmemroy = "1G"\n');

  const refused = await home.run(['vm', 'create', '--name', 'other']);
  assert.equal(refused.code, 78);
  assert.match(refused.stderr, /line 3: there is no key "memroy".*CONFIG_INVALID[\s\S]*Did you mean "memory"\?/);
  assert.equal((await home.run(['config', 'show'])).code, 78);
  assert.match((await home.run(['vm', 'create', '--help'])).stdout.replaceAll(/\s+/g, ' '), /not known: .*line 3/);

  const { vms } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
  assert.deepEqual(
    vms.map(({ name }) => name),
    ['web'],
  );
  assert.equal(await home.daemonPid(), pid);

  await home.run(['daemon', 'stop']);
  assert.equal((await home.run(['vm', 'ls'])).code, 0, 'a daemon comes up with it');
});
