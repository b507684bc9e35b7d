import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { isAlive, killProcess, type ProcessRef, readProcessRef, waitForExit } from './processes.ts';

test('a process that does not end is told after the limit, and not waited for without end', async () => {
  const self = readProcessRef(process.pid) as ProcessRef;
  await assert.rejects(waitForExit(self, 20), { code: 'PROCESS_STUCK', message: new RegExp(`${process.pid}.*0.02 s`) });
});

test('a process is gone when its kill has ended, and another with its number is not touched', async () => {
  const { pid = 0 } = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const ref = readProcessRef(pid) as ProcessRef;
  await killProcess({ ...ref, startTicks: ref.startTicks - 1 });
  assert.equal(isAlive(ref), true);
  await killProcess(ref);
  assert.equal(isAlive(ref), false);
  await killProcess(ref); // safe to repeat
});
