import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { removeRun } from './remove-run.ts';
import { runProcess } from './run-process.ts';
import { Task } from './task.ts';

test('the folder of a run goes, closed and deep as it may be, and what its links lead to stays', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'banger-run-'));
  t.after(() => rm(folder, { recursive: true }));
  const [run, yours] = [join(folder, 'run'), join(folder, 'yours')];
  for (const path of [join(run, 'vmm/closed/within'), yours]) await mkdir(path, { recursive: true });
  await writeFile(join(yours, 'file'), 'yours', { mode: 0o400 });
  await chmod(yours, 0o500);
  await symlink(yours, join(run, 'vmm/link'));
  await symlink(yours, join(run, 'vmm/closed/link'));
  const deeper = 'i=0; while [ $i -lt 60 ]; do mkdir $0 && cd -P $0 || exit 1; i=$((i+1)); done';
  await runProcess(Task.background(), ['sh', '-c', deeper, 'x'.repeat(100)], { cwd: join(run, 'vmm') });
  for (const path of [join(run, 'vmm/closed/within'), join(run, 'vmm/closed')]) await chmod(path, 0);
  await removeRun(run);
  assert.equal(existsSync(run), false);
  assert.equal(await readFile(join(yours, 'file'), 'utf8'), 'yours');
  assert.equal((await stat(yours)).mode & 0o777, 0o500);
  await removeRun(run); // safe to repeat
  await chmod(yours, 0o700);
});
