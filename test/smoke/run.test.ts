/** Story: one command in a fresh machine, and nothing is left behind. */
import assert from 'node:assert/strict';
import { release } from 'node:os';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';

test('a command runs in a fresh machine', async (t) => {
  const home = await createHome(t);
  const { vms: none } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
  assert.deepEqual(none, []);

  await t.test("it sees the guest's own kernel and system, with the two streams apart", async () => {
    const script = 'uname -r; . /etc/os-release; echo $ID; echo oops >&2';
    const { code, stdout, stderr } = await home.run(['vm', 'run', '--rm', '--quiet', '--', 'sh', '-c', script]);
    assert.equal(code, 0, stderr);
    const [kernel, id] = stdout.trim().split('\n');
    assert.notEqual(kernel, release());
    assert.match(kernel ?? '', /cloud-amd64$/);
    assert.equal(id, 'debian');
    assert.equal(stderr, 'oops\n');
  });

  await t.test('before anything else it says what the machine gets', async () => {
    const sizes = ['--cpus', '2', '--memory', '640M', '--disk-size', '2G'];
    const script = "nproc; awk '/MemTotal/ {print $2}' /proc/meminfo; df --output=size -k / | tail -1";
    const { stdout, stderr } = await home.run(['vm', 'run', '--rm', ...sizes, '--', 'sh', '-c', script]);
    assert.match(stderr, /^spec: 2 vcpu · 640 MiB · 2G disk\n/);
    const [cpus, memoryKib, diskKib] = stdout.trim().split('\n').map(Number);
    assert.equal(cpus, 2);
    assert.ok(memoryKib && memoryKib > 500 * 1024 && memoryKib < 640 * 1024, stdout);
    assert.ok(diskKib && diskKib > 1800 * 1024 && diskKib < 2048 * 1024, stdout);
  });

  await t.test("the command's exit code, or the signal that ended it, comes back", async () => {
    const { code } = await home.run(['vm', 'run', '--rm', '--name', 'codes', '--', 'sh', '-c', 'exit 42']);
    assert.equal(code, 42);
    const killed = await home.run(['vm', 'run', '--rm', '--', 'sh', '-c', 'kill -TERM $$']);
    assert.equal(killed.code, 128 + 15);
  });

  await t.test('a command that the machine does not have is a clear error, and the machine is gone', async () => {
    const { code, stderr } = await home.run(['vm', 'run', '--rm', '--', 'no-such-command']);
    assert.equal(code, 127);
    assert.match(stderr, /no-such-command.*\(COMMAND_NOT_FOUND\)/);
  });

  await t.test('nothing is left', async () => {
    assert.deepEqual((await home.json<{ vms: Vm[] }>(['vm', 'ls'])).vms, []);
    assert.deepEqual(await home.leftovers(), []);
  });
});

test('a command that is killed takes its machine along', async (t) => {
  const home = await createHome(t);
  const command = home.start(['vm', 'run', '--rm', '--', 'sh', '-c', 'echo up; sleep 1000']);
  await new Promise((resolve) => command.stdout?.once('data', resolve));
  command.kill('SIGKILL');
  // The daemon ends the machine when it sees the connection close; removing waits for that and for its turn.
  const { vms } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
  for (const { name } of vms) await home.run(['vm', 'rm', '--force', name]);
  assert.deepEqual(await home.leftovers(), []);
});
