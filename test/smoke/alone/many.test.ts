/** Story: ten machines at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../../support/banger-home.ts';

const COUNT = 10;
const SIZE = ['--memory', '192M', '--cpus', '1', '--disk-size', '512M'];

test('ten machines at once', async (t) => {
  const home = await createHome(t);
  const names = Array.from({ length: COUNT }, (_, index) => `many-${index}`);

  await t.test('all of them start, each with its own name, disk and system', async () => {
    const script = 'hostname; cat /etc/machine-id; echo mine >/root/file; ls /root';
    const outputs = await Promise.all(
      names.map((name) => home.run(['vm', 'run', '--name', name, ...SIZE, '--', 'sh', '-c', script])),
    );
    assert.deepEqual(
      outputs.map(({ code, stderr }) => (code === 0 ? 0 : stderr)),
      names.map(() => 0),
    );
    const lines = outputs.map(({ stdout }) => stdout.split('\n'));
    assert.deepEqual(
      lines.map(([name, , file]) => [name, file]),
      names.map((name) => [name, 'file']),
    );
    assert.equal(new Set(lines.map(([, machineId]) => machineId)).size, COUNT);
  });

  await t.test('all of them are listed as running, and answer at the same time', async () => {
    const { vms } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
    assert.deepEqual(
      vms.map(({ name, state }) => [name, state.is]).sort(),
      names.map((name) => [name, 'running']),
    );
    const outputs = await Promise.all(names.map((name) => home.run(['vm', 'exec', name, '--', 'hostname'])));
    assert.deepEqual(
      outputs.map(({ stdout }) => stdout),
      names.map((name) => `${name}\n`),
    );
  });

  await t.test('a new daemon finds all of them', async () => {
    await home.killDaemon();
    const outputs = await Promise.all(names.map((name) => home.run(['vm', 'exec', name, '--', 'cat', '/root/file'])));
    assert.deepEqual(
      outputs.map(({ stdout }) => stdout),
      names.map(() => 'mine\n'),
    );
  });

  await t.test('all of them are removed in one command, and nothing is left', async () => {
    await home.json(['vm', 'rm', '--force', ...names]);
    assert.deepEqual((await home.json<{ vms: Vm[] }>(['vm', 'ls'])).vms, []);
    assert.deepEqual(await home.leftovers(), []);
  });
});
