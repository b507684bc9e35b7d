/** Programs of the user's that look at a machine's files while banger ends what belongs to the machine. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createFakeHome } from '../support/fake-home.ts';

test('who follows a file of a machine is not ended with it, nor by a daemon that tidies up', async (t) => {
  const home = await createFakeHome(t);
  const { id } = await home.json<Vm>(['vm', 'create', '--name', 'web', '--start']);
  const runtime = join(home.paths.runtime, 'vms', id);
  const path = join(runtime, 'passt.log');
  writeFileSync(path, '');
  const stranger = spawn('tail', ['-f', path], { stdio: 'ignore' });
  t.after(() => stranger.kill('SIGKILL'));
  await once(stranger, 'spawn');
  await home.killDaemon();
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).state.is, 'running'); // it was adopted by what is written of it
  await home.json(['vm', 'kill', 'web']);
  await home.json(['vm', 'rm', 'web']);
  assert.deepEqual([stranger.exitCode, stranger.signalCode], [null, null]);
  stranger.kill('SIGKILL');
  await once(stranger, 'exit');
  assert.deepEqual(await home.leftovers(), []);
});
