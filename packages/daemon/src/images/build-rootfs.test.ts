import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runProcess } from '../platform/run-process.ts';
import { Task } from '../platform/task.ts';
import { buildRootfs, type TarSource } from './build-rootfs.ts';

test('a program that ends its tar early, and fails after that, is told by its own fault', async (t) => {
  const script = 'exec >&-; sleep 0.1; echo no such package >&2; exit 1';
  const source: TarSource = async (own, tar) => {
    await runProcess(own, ['sh', '-c', script], { stdout: tar });
    return null;
  };
  await assert.rejects(buildRootfs(Task.background(), source, makeBase(t)), {
    message: /exited with 1: no such package/,
  });
});

test('a tar that is refused ends its source, and is told as what is wrong with it', async (t) => {
  let hasEnded = false;
  const failing = buildRootfs(
    Task.background(),
    async (own, tar) => {
      tar.write('not a tar at all\n'.repeat(100));
      return own.race(new Promise<never>(() => {})).finally(() => {
        hasEnded = true;
      });
    },
    makeBase(t),
  );
  await assert.rejects(failing, { code: 'IMAGE_INVALID', message: /not a tar archive/ });
  assert.ok(hasEnded);
});

test('a source that fails in the middle of its tar ends the rest', async (t) => {
  const failing = buildRootfs(
    Task.background(),
    async () => {
      throw new Error('the mirror is gone');
    },
    makeBase(t),
  );
  await assert.rejects(failing, { message: 'the mirror is gone' });
});

function makeBase(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-rootfs-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'base.squashfs');
}
