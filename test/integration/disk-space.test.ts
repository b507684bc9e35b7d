/** What banger takes on the disk, and what of it goes when it is told to tidy up. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DiskSpace, PruneResult } from '@banger/contract/api/disk-space.ts';
import type { Image } from '@banger/contract/api/images.ts';
import { createFakeHome } from '../support/fake-home.ts';

const namesOf = (uses: { kind: string; name: string }[]) => uses.map(({ kind, name }) => `${kind} ${name}`);

test('the space that is taken is told, and prune leaves what a vm needs', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  await mkdir(join(home.paths.runtime, 'vms/aabbccddeeff'));
  await writeFile(join(home.paths.runtime, 'vms/aabbccddeeff/left'), Buffer.alloc(50_000, 1));

  const space = await home.json<DiskSpace>(['system', 'df']);
  assert.equal(
    space.totalBytes,
    space.uses.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  const find = (kind: string, name: string) => space.uses.find((use) => use.kind === kind && use.name === name);
  assert.ok((find('image', 'debian')?.bytes ?? 0) > 10 * 2 ** 20);
  assert.deepEqual(find('image', 'debian')?.usedBy, ['web']);
  assert.ok((find('vm', 'web')?.bytes ?? 0) > 0 && (find('vm', 'web')?.bytes ?? 0) < 200 * 2 ** 20, 'not its size');

  const dry = await home.json<PruneResult>(['system', 'prune', '--dry-run']);
  assert.ok(namesOf(dry.removed).includes('leftover aabbccddeeff'));
  assert.ok(!namesOf(dry.removed).some((name) => /image|kernel|vm |initramfs/.test(name)), namesOf(dry.removed).join());
  assert.deepEqual(namesOf((await home.json<DiskSpace>(['system', 'df'])).uses), namesOf(space.uses), 'nothing went');

  const done = await home.json<PruneResult>(['system', 'prune']);
  assert.deepEqual(done.removed, dry.removed);
  assert.ok(done.bytes >= 50_000);
  await home.json(['vm', 'restart', 'web']);
  assert.equal((await home.run(['vm', 'exec', 'web', '--', 'echo', 'here'])).stdout, 'here\n');

  await home.json(['vm', 'rm', '--force', 'web']);
  const rest = await home.json<PruneResult>(['system', 'prune']);
  assert.deepEqual(
    namesOf(rest.removed).filter((name) => !name.startsWith('cache')),
    [],
    'the next vm would wait for the defaults',
  );
  const all = await home.json<PruneResult>(['system', 'prune', '--all']);
  assert.deepEqual(
    namesOf(all.removed).filter((name) => !name.startsWith('cache')),
    ['image debian', 'kernel debian'],
  );
  const { images } = await home.json<{ images: Image[] }>(['image', 'ls']);
  assert.equal(images[0]?.digest, null, 'it can be fetched again');
});

test('a folder without a record stays, is shown, and goes only when it is named', async (t) => {
  const home = await createFakeHome(t);
  const unrecorded = {
    'vms/aabbccddeeff': 'disk.ext4',
    'vms/notes of mine': 'a file',
    [`images/${'a'.repeat(64)}`]: 'base.squashfs',
    [`kernels/${'b'.repeat(64)}`]: 'vmlinux',
  };
  for (const [name, file] of Object.entries(unrecorded)) {
    await mkdir(join(home.paths.data, name), { recursive: true });
    await writeFile(join(home.paths.data, name, file), Buffer.alloc(50_000, 1));
  }
  const shown = async () =>
    (await home.json<DiskSpace>(['system', 'df'])).uses.flatMap(({ kind, name }) =>
      kind === 'unrecorded' ? [name] : [],
    );
  const names = Object.keys(unrecorded).sort();

  assert.deepEqual((await shown()).sort(), names);
  assert.match((await home.run(['system', 'df'])).stdout, /unrecorded +vms\/notes of mine/);
  await home.json(['system', 'prune', '--all']);
  await home.run(['daemon', 'stop']);
  assert.deepEqual((await shown()).sort(), names, 'neither a prune nor a daemon that starts removes it');

  const refused = await home.run(['system', 'prune', 'vms/notes of mine', 'vms/../../elsewhere']);
  assert.match(refused.stderr, /NOT_UNRECORDED/);
  assert.deepEqual((await shown()).sort(), names, 'nothing went');
  const { removed } = await home.json<PruneResult>(['system', 'prune', ...names]);
  assert.deepEqual(namesOf(removed).sort(), names.map((name) => `unrecorded ${name}`).sort());
  assert.deepEqual(await shown(), []);
});

test('an imported image stays unless all is said, and everything while a vm is being made', async (t) => {
  const home = await createFakeHome(t);
  const tree = join(home.folder, 'tree');
  await mkdir(join(tree, 'bin'), { recursive: true });
  await writeFile(join(tree, 'bin/sh'), '#!/bin/true\n', { mode: 0o755 });
  spawnSync('tar', ['-C', tree, '-cf', join(home.folder, 'mine.tar'), '.']);
  await home.json(['image', 'import', 'mine', join(home.folder, 'mine.tar')]);
  const dry = async (...more: string[]) =>
    namesOf((await home.json<PruneResult>(['system', 'prune', '-n', ...more])).removed);
  assert.ok(!(await dry()).includes('image mine'));
  assert.ok((await dry('--all')).includes('image mine'));

  const dryImages = async (...flags: string[]) =>
    namesOf((await home.json<PruneResult>(['image', 'prune', '--dry-run', ...flags])).removed);
  assert.deepEqual(await dryImages(), []);
  assert.deepEqual(await dryImages('--all'), ['image debian', 'image mine']);

  home.setFaults({ bootMs: 3000 });
  const making = home.json(['vm', 'create', '--name', 'slow', '--start']);
  await home.untilVms((vms) => vms.length === 1);
  assert.ok(!(await dry('--all')).includes('image mine'));
  await making;
});
