/** A guest that misbehaves while it is used costs the command, never the daemon or another vm. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { DRIVER_NAMES } from '@banger/contract/driver-names.ts';
import { findByArgument, killProcess, listProcesses } from '../../packages/daemon/src/platform/processes.ts';
import { HALT_SIGNAL } from '../support/fake-faults.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { watchOutput } from '../support/watch-output.ts';

test('garbage instead of frames ends the command with a clear error', async (t) => {
  const home = await createFakeHome(t);
  home.setFaults({ fault: 'bad-frames' });
  const { code, stderr } = await home.run(['vm', 'run', '--name', 'bad', '--', 'true']);
  assert.match(stderr, /AGENT_PROTOCOL/);
  assert.equal(code, 76);
});

test('an agent that goes away in the middle of a command is told as lost', async (t) => {
  const home = await createFakeHome(t);
  home.setFaults({ fault: 'agent-dies' });
  const { code, stderr } = await home.run(['vm', 'run', '--rm', '--', 'true']);
  assert.match(stderr, /VM_LOST/);
  assert.equal(code, 70);
  assert.deepEqual(await home.leftovers(), []);
});

test('an agent that ends and stays away is told as lost, by every command and by the list', async (t) => {
  const home = await createFakeHome(t, { BANGER_BOOT_TIMEOUT_MS: '5000' });
  home.setFaults({ fault: 'agent-gone' });
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  const beganMs = performance.now();
  const first = await home.run(['vm', 'exec', 'web', '--', 'true']);
  assert.deepEqual([first.code, /VM_LOST/.test(first.stderr)], [70, true], first.stderr);
  assert.ok(performance.now() - beganMs < 10_000, 'nobody waits for an answer of one that is known to be gone');

  const { fault } = await home.untilVm('web', (vm) => vm.fault !== null);
  assert.equal(fault?.code, 'VM_LOST');
  assert.match((await home.run(['vm', 'ls'])).stdout, /web +running \(VM_LOST\)/);
  const later = await home.run(['vm', 'exec', 'web', '--', 'true']);
  assert.match(later.stderr, /its agent does not answer\. \(VM_LOST\)\n {2}hint: .*"banger vm kill web"/);
  assert.equal(later.code, 70);
  assert.doesNotMatch(first.stderr + later.stderr, /CANCELLED|undone/);

  const { results } = await home.json<{ results: unknown[] }>(['vm', 'stop', 'web']);
  assert.deepEqual(results, [{ name: 'web', result: { how: 'killed' } }]);
});

test('an agent that ends and comes back costs the commands that ran, and nothing else', async (t) => {
  const home = await createFakeHome(t);
  home.setFaults({ fault: 'agent-restarts' });
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  const command = home.start(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo up; sleep 1000']);
  const output = watchOutput(command);
  await output.until('up', 'stdout');
  command.stdin?.write('the end of the agent\n');
  const { code, stderr } = await output.ended();
  assert.match(stderr, /the vm goes on without it\. \(SESSION_LOST\)/);
  assert.equal(code, 70);
  assert.equal((await home.run(['vm', 'exec', 'web', '--', 'echo', 'back'])).stdout, 'back\n');
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).fault, null);
});

for (const driver of DRIVER_NAMES) {
  test(`${driver}: a machine that ends by itself is recorded as crashed, and the command ends`, async (t) => {
    const home = await createFakeHome(t, {}, driver);
    home.setFaults({ fault: 'die-after-ready', afterMs: 1500 });
    const { code } = await home.run(['vm', 'run', '--name', 'web', '--', 'sh', '-c', 'sleep 100']);
    assert.notEqual(code, 0);
    const { state } = await home.untilVm('web', (vm) => vm.state.is === 'stopped');
    assert.notEqual(state.is === 'stopped' && state.why, 'shut-down');
  });

  test(`${driver}: a network that ends is told, also by a daemon that was not there, and a restart gives a new one`, async (t) => {
    const home = await createFakeHome(t, {}, driver);
    const { id } = await home.json<Vm>(['vm', 'create', '--name', 'web', '--start']);
    const endNetwork = async () => {
      for (const peer of findByArgument(`${home.paths.runtime}/vms/${id}/passt.log`)) await killProcess(peer);
    };
    await endNetwork();
    const { fault } = await home.untilVm('web', (vm) => vm.fault !== null);
    assert.equal(fault?.code, 'NETWORK_FAILED');
    assert.match(fault?.message ?? '', /"banger vm restart web"/);
    await home.json(['vm', 'restart', 'web']);
    assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).fault, null);

    await home.killDaemon();
    await endNetwork();
    assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).fault?.code, 'NETWORK_FAILED');
  });
}

test('one that breaks on the way to the guest is told in the same way', async (t) => {
  const home = await createFakeHome(t, {}, 'firecracker');
  const { id } = await home.json<Vm>(['vm', 'create', '--name', 'web', '--start']);
  const [relay] = listProcesses(({ argv }) => argv[1] === 'relay' && argv.at(-1)?.includes(`/vms/${id}/`) === true);
  assert.ok(relay);
  await killProcess(relay);
  const { fault } = await home.untilVm('web', (vm) => vm.fault !== null);
  assert.equal(fault?.code, 'NETWORK_FAILED');
  assert.match(fault?.message ?? '', /"banger vm restart web"/);
});

test('a guest that halts has powered its machine off, also where no daemon was there to see it', async (t) => {
  const home = await createFakeHome(t, {}, 'firecracker');
  home.setFaults({ fault: 'halts' });
  const { state: before } = await home.json<Vm>(['vm', 'create', '--name', 'web', '--start']);
  assert.ok(before.is === 'running');
  await home.killDaemon();
  process.kill(before.pid, HALT_SIGNAL);
  assert.match((await home.run(['daemon', 'status'])).stdout, /not running/);
  const { state, fault } = await home.untilVm('web', (vm) => vm.state.is === 'stopped');
  assert.deepEqual([state.is === 'stopped' && state.why, fault], ['guest', null]);
});

test('a guest that reboots comes back, and one that does so for ever stays off', async (t) => {
  const home = await createFakeHome(t);
  const since = ({ state }: Vm) => (state.is === 'running' ? state.since : '');
  home.setFaults({ fault: 'reset-after-ready', afterMs: 1000 });
  const before = await home.json<Vm>(['vm', 'create', '--name', 'web', '--start']);
  home.setFaults({});
  const after = await home.untilVm('web', (vm) => vm.state.is === 'running' && since(vm) !== since(before));
  assert.equal(after.fault, null);
  assert.equal((await home.run(['vm', 'exec', 'web', '--', 'echo', 'back'])).stdout, 'back\n');

  home.setFaults({ fault: 'reset-after-ready', afterMs: 100 });
  await home.json(['vm', 'restart', 'web']);
  const { state, fault } = await home.untilVm('web', (vm) => vm.state.is === 'stopped' && vm.fault !== null);
  assert.equal(state.is === 'stopped' && state.why, 'guest');
  assert.match(fault?.message ?? '', /^It rebooted 9 times within 2 min, so it stays off\.$/);
});

for (const driver of DRIVER_NAMES) {
  test(`${driver}: a guest that panicked once comes back from a later reboot`, async (t) => {
    const home = await createFakeHome(t, {}, driver);
    await home.json(['vm', 'create', '--name', 'web']);
    home.setFaults({ fault: 'panic', afterMs: 100 });
    assert.match((await home.run(['vm', 'start', 'web'])).stderr, /Kernel panic/);
    home.setFaults({ fault: 'reset-after-ready', afterMs: 1000 });
    const before = await home.json<{ results: { result: Vm }[] }>(['vm', 'start', 'web']);
    home.setFaults({});
    const pidOf = ({ state }: Vm) => (state.is === 'running' ? state.pid : null);
    const first = pidOf(before.results[0]?.result as Vm);
    const { fault } = await home.untilVm('web', (vm) => pidOf(vm) !== null && pidOf(vm) !== first);
    assert.equal(fault, null);
  });
}

test('an init that cannot be started is told with its reason, and not started again and again', async (t) => {
  const home = await createFakeHome(t);
  home.setFaults({ fault: 'init-cannot-start', afterMs: 1000 });
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  const { state, fault } = await home.untilVm('web', (vm) => vm.state.is === 'stopped');
  assert.equal(state.is === 'stopped' && state.why, 'crashed');
  assert.match(
    fault?.message ?? '',
    /^Its image's init could not be started\.[\s\S]*\/sbin\/init .* Exec format error/,
  );
});

test('a machine of vm run --rm does not outlive its command by a reboot', async (t) => {
  const home = await createFakeHome(t);
  home.setFaults({ fault: 'reset-after-ready', afterMs: 1000 });
  const { code, stderr } = await home.run(['vm', 'run', '--rm', '--', 'sleep', '1000']);
  assert.deepEqual([code, /VM_LOST/.test(stderr)], [70, true], stderr);
  assert.deepEqual(await home.leftovers(), []);
});

test('a guest that does not shut down is killed after the time limit', async (t) => {
  const home = await createFakeHome(t);
  home.setFaults({ fault: 'hang-on-shutdown' });
  await home.json(['vm', 'create', '--name', 'web']);
  await home.json(['vm', 'start', 'web']);
  const { results } = await home.json<{ results: unknown[] }>(['vm', 'stop', '--timeout', '1', 'web']);
  assert.deepEqual(results, [{ name: 'web', result: { how: 'killed' } }]);
  const { state } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.equal(state.is === 'stopped' && state.why, 'killed');
});

test('while one vm hangs, the list answers and the others work', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'good']);
  await home.json(['vm', 'start', 'good']);
  home.setFaults({ fault: 'never-hello' });
  const hanging = home.start(['vm', 'run', '--rm', '--name', 'stuck', '--', 'true']);
  await home.untilVms((vms) => vms.some(({ name, state }) => name === 'stuck' && state.is === 'starting'));
  assert.equal((await home.run(['vm', 'exec', 'good', '--', 'echo', 'fine'])).stdout, 'fine\n');

  // Ctrl-C gives up, and takes the machine with it.
  const ended = new Promise<number | null>((resolve) => hanging.once('close', resolve));
  hanging.kill('SIGINT');
  assert.equal(await ended, 130);
  assert.deepEqual(
    (await home.json<{ vms: Vm[] }>(['vm', 'ls'])).vms.map(({ name }) => name),
    ['good'],
  );
});

test('waiting for an init that never finishes can be given up, and only what was to be kept stays', async (t) => {
  const home = await createFakeHome(t);
  home.setFaults({ fault: 'init-never-ready' });
  const beginWaiting = async (...args: string[]) => {
    const command = home.start([...args, '--wait', 'system']);
    const output = watchOutput(command);
    await output.until('wait for the system', 'stderr');
    return { command, output };
  };
  const giveUp = async (...args: string[]) => {
    const { command, output } = await beginWaiting(...args);
    command.kill('SIGINT');
    assert.equal((await output.ended()).code, 130);
  };
  await giveUp('vm', 'run', '--rm');
  assert.deepEqual(await home.leftovers(), []);

  await giveUp('vm', 'create', '--start', '--name', 'web');
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).state.is, 'running');
  const { output } = await beginWaiting('vm', 'start', 'web');
  await home.json(['vm', 'kill', 'web']);
  assert.match((await output.ended()).stderr, /\(VM_LOST\)/);
});

test('a client that vanishes takes its command along, but not one that was detached', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web']);
  await home.json(['vm', 'start', 'web']);
  const kept = (await home.run(['vm', 'exec', '-d', 'web', '--', 'sh', '-c', 'sleep 100'])).stdout.trim();
  const command = home.start(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo up; sleep 100']);
  await new Promise((resolve) => command.stdout?.once('data', resolve));
  assert.equal((await home.sessions('web')).length, 2);
  command.kill('SIGKILL');
  await home.untilSessions('web', (sessions) => sessions.length === 1);
  assert.deepEqual(
    (await home.sessions('web')).map(({ id }) => id),
    [kept],
  );
});

test('commands on one vm queue, and each finds the vm as the one before left it', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web']);
  home.setFaults({ bootMs: 500 });
  const results = await Promise.all([
    home.run(['vm', 'start', 'web']),
    home.run(['vm', 'start', 'web']),
    home.run(['vm', 'start', 'web']),
  ]);
  assert.deepEqual(
    results.map(({ code }) => code),
    [0, 0, 0],
  );
  const [stopped, removed] = await Promise.all([
    home.run(['vm', 'stop', 'web']),
    home.run(['vm', 'rm', '--force', 'web']),
  ]);
  assert.equal(removed.code, 0);
  assert.ok(stopped.code === 0 || /VM_NOT_FOUND/.test(stopped.stderr), stopped.stderr);
  assert.deepEqual(await home.leftovers(), []);
});

test('ten vms created at once all run', async (t) => {
  const home = await createFakeHome(t);
  const names = Array.from({ length: 10 }, (_, index) => `many-${index}`);
  const outputs = await Promise.all(
    names.map((name) => home.run(['vm', 'run', '--name', name, '--memory', '128M', '--', 'echo', name])),
  );
  assert.deepEqual(
    outputs.map(({ stdout }) => stdout.trim()),
    names,
  );
  const { vms } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
  assert.equal(vms.filter(({ state }) => state.is === 'running').length, 10);
});
