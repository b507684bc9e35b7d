import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  findByArgument,
  isAlive,
  killProcess,
  killTree,
  type ProcessRef,
  readProcessRef,
  waitForExit,
} from './processes.ts';

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

test('a tree of processes is ended as a whole, whatever sessions are in it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'banger-tree-'));
  t.after(() => rm(folder, { recursive: true }));
  const leaf = `setsid sh -c 'echo up; exec sleep 300' ${folder}`;
  const root = spawn('sh', ['-c', `setsid sh -c "${leaf} & wait" ${folder} & wait`, folder], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(root.stdout, 'data');
  await killTree(readProcessRef(root.pid as number) as ProcessRef);
  assert.deepEqual(findByArgument(folder), []);
});
