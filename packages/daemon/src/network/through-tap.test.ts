import assert from 'node:assert/strict';
import { test } from 'node:test';
import { throughTap } from './through-tap.ts';

test('a hypervisor is started by the program that makes its device', () => {
  const plan = { socketPath: '/run/vm/network.sock', device: 'fc0', endedPath: '/run/vm/network.ended' };
  const command = throughTap('/opt/banger-link', plan, ['firecracker', '--id', 'x']);
  assert.deepEqual(command.slice(0, 2), ['/opt/banger-link', 'tap']);
  assert.deepEqual(command.slice(command.indexOf('--') + 1), ['firecracker', '--id', 'x']);
  for (const [option, value] of Object.entries({
    '--socket': plan.socketPath,
    '--tap': 'fc0',
    '--ended': plan.endedPath,
  })) {
    assert.equal(command[command.indexOf(option) + 1], value);
  }
});
