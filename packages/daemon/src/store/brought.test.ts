import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createBrought } from './brought.ts';
import { SAMPLE_VM as vm } from './sample-vm.ts';
import { createVmFolders } from './vm-folders.ts';

function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-brought-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const folders = createVmFolders({ dataFolder: join(folder, 'data'), runtimeFolder: join(folder, 'run') });
  mkdirSync(folders.of(vm.id).data, { recursive: true });
  return { ...createBrought({ folders }), path: folders.of(vm.id).brought };
}

test('what was brought in is remembered from one start to the next, whatever bytes its name has', async (t) => {
  const { read, note, path } = setUp(t);
  assert.equal(read(vm.id), null);
  await note(vm, { files: ['root/.token', 'root/odd\udcff'] });
  await note(vm, { files: ['root/.gitconfig', 'root/.token'] });
  await note(vm, { hasTimeZone: true });
  const all = { files: ['root/.token', 'root/odd\udcff', 'root/.gitconfig'], hasTimeZone: true };
  assert.deepEqual(read(vm.id), all);
  const { ino } = statSync(path);
  await note(vm, { files: ['root/.token'], hasTimeZone: true });
  assert.equal(statSync(path).ino, ino, 'what is known is not written again');
});

test('of a vm that nobody keeps nothing is noted', async (t) => {
  const { note, path } = setUp(t);
  await note({ ...vm, ephemeral: true }, { files: ['root/.token'] });
  assert.equal(existsSync(path), false);
});

test('what is damaged is not taken for nothing, and keeps no vm from starting', async (t) => {
  const { read, note, path } = setUp(t);
  writeFileSync(path, '{"v":1,"files":["root/.tok');
  await note(vm, { files: ['root/.gitconfig'] });
  assert.throws(() => read(vm.id), { code: 'FILE_NOT_FOUND' });
});
