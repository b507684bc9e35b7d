/** Story: I forget a machine, and it stops. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHome } from '../support/banger-home.ts';

test('a machine that nobody uses shuts down, with what was written on its disk', async (t) => {
  const home = await createHome(t);
  await home.writeConfig('[vm_defaults]\nmemory = "512M"\n[vm]\nidle_stop_after = "5s"\n');
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  // Longer than the limit: a machine in use is not idle.
  const { code, stdout } = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', 'sleep 8; echo kept | tee file']);
  assert.deepEqual([code, stdout], [0, 'kept\n']);
  const { state } = await home.untilVm('web', (vm) => vm.state.is === 'stopped');
  assert.equal(state.is === 'stopped' && state.why, 'shut-down');
  await home.writeConfig('');
  await home.json(['vm', 'start', 'web']);
  assert.equal((await home.run(['vm', 'exec', 'web', '--', 'cat', 'file'])).stdout, 'kept\n');
});
