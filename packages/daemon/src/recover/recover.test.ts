import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { openStore } from '../store/store.ts';
import { recover } from './recover.ts';

test('a state that is no file is kept, and a new one takes its place', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-recover-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [kind, make] of [
    ['FIFO', (path: string) => execFileSync('mkfifo', [path])],
    ['folder', (path: string) => mkdirSync(path)],
  ] as const) {
    const paths = {
      state: join(folder, kind),
      data: join(folder, 'data'),
      runtime: join(folder, 'run'),
    } as BangerPaths;
    mkdirSync(paths.state);
    const path = join(paths.state, 'state.sqlite');
    make(path);
    const { ino } = lstatSync(path);
    const { fault, isChanged, keptAt } = await recover({ paths, dryRun: false, now: () => new Date() });
    assert.deepEqual([fault, isChanged], [`${path} is no regular file`, true], kind);
    assert.equal(lstatSync(String(keptAt)).ino, ino, kind);
    openStore(path).close();
  }
});
