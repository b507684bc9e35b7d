/** A state that was lost or damaged: nothing goes with it, and it is made anew from what the folders tell. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { DiskSpace } from '@banger/contract/api/disk-space.ts';
import type { TimedCheck } from '@banger/contract/api/doctor.ts';
import type { Image, Kernel } from '@banger/contract/api/images.ts';
import type { Recovery } from '@banger/contract/api/recovery.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { sampleVmlinux } from '../../packages/daemon/src/kernels/sample-kernel.ts';
import { recover } from '../../packages/daemon/src/recover/recover.ts';
import { createFakeHome } from '../support/fake-home.ts';

const RECOVER = new URL('../../packages/daemon/src/recover.ts', import.meta.url).pathname;

type Home = Awaited<ReturnType<typeof createFakeHome>>;

/** What must be as it was, whatever became of the state */
async function factsOf(home: Home) {
  const { vms } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
  const { images } = await home.json<{ images: Image[] }>(['image', 'ls']);
  const { kernels } = await home.json<{ kernels: Kernel[] }>(['kernel', 'ls']);
  return {
    vms: vms.map(({ id, name, image, kernel, cpus, memoryBytes, diskBytes, createdAt, state }) => ({
      ...{ id, name, image, kernel, cpus, memoryBytes, diskBytes, createdAt, state: state.is },
    })),
    images: images
      .filter(isHere)
      .map(({ name, digest, source, sizeBytes, usedBy }) => ({ name, digest, source, sizeBytes, usedBy })),
    kernels: kernels.map(({ name, digest, release, sizeBytes }) => ({ name, digest, release, sizeBytes })),
  };
}

/** The catalog names more. */
function isHere({ digest }: Image): boolean {
  return digest !== null;
}

async function makeHome(t: TestContext) {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'still', '--cpus', '2', '--disk-size', '3G']);
  await home.json(['vm', 'set', '--memory', '768M', 'still']);
  await home.json(['vm', 'create', '--name', 'runs', '--start']);
  const path = join(home.paths.state, 'state.sqlite');
  return { home, path, before: await factsOf(home) };
}

async function overwrite(path: string, atBytes: number, text: string): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(text.repeat(2000), atBytes);
}

test('a state that cannot be used is refused with what to do, which brings everything back', async (t) => {
  const { home, path, before } = await makeHome(t);
  const broken: Record<string, { code: string; damage: () => Promise<void> }> = {
    'a state that is cut off': { code: 'STATE_UNREADABLE', damage: () => truncate(path, 6000) },
    'a state that is overwritten': { code: 'STATE_UNREADABLE', damage: () => overwrite(path, 4096, 'garbage ') },
    'a state that is no database': {
      code: 'STATE_UNREADABLE',
      damage: () => writeFile(path, 'somebody’s file '.repeat(99)),
    },
    'a state of a newer version': {
      code: 'STATE_TOO_NEW',
      damage: async () => {
        using database = new DatabaseSync(path);
        database.exec('PRAGMA user_version = 999');
      },
    },
  };
  for (const [what, { code, damage }] of Object.entries(broken)) {
    await t.test(what, async () => {
      await home.run(['daemon', 'stop']);
      await damage();
      const damaged = await readFile(path);
      const refused = await home.run(['vm', 'ls']);
      assert.match(refused.stderr, new RegExp(`\\(${code}\\)[\\s\\S]*banger system recover`));
      const { checks } = JSON.parse((await home.run(['doctor', '--json'])).stdout) as { checks: TimedCheck[] };
      assert.equal(checks.find(({ name }) => name === 'state')?.fix, 'banger system recover');

      const dry = await home.json<Recovery>(['system', 'recover', '--dry-run']);
      assert.deepEqual([dry.isChanged, dry.keptAt], [true, null]);
      assert.deepEqual(await readFile(path), damaged, 'neither of them changed it');
      const { keptAt } = await home.json<Recovery>(['system', 'recover']);
      assert.deepEqual(await readFile(String(keptAt)), damaged, 'it is kept as it was');
      assert.deepEqual(await factsOf(home), before);
      assert.equal((await home.run(['vm', 'exec', 'runs', '--', 'echo', 'never stopped'])).stdout, 'never stopped\n');
    });
  }

  await t.test('and the machines can be used as before', async () => {
    await home.json(['vm', 'start', 'still']);
    await home.json(['vm', 'rm', '--force', 'still', 'runs']);
    const { isChanged } = await recoverStopped(home);
    assert.equal(isChanged, false, 'what was removed does not come back');
  });
});

async function recoverStopped(home: Home): Promise<Recovery> {
  await home.run(['daemon', 'stop']);
  return home.json<Recovery>(['system', 'recover']);
}

test('a state that was moved away, or emptied, takes nothing along', async (t) => {
  const { home, path, before } = await makeHome(t);
  for (const lose of [
    () => rename(path, `${path}.away`),
    () => truncate(path, 0),
    // Without its log, as a copy of the file alone has it
    async () => {
      await home.json(['vm', 'ls']);
      await home.killDaemon();
      await rm(`${path}-wal`);
      await truncate(path, 0);
    },
  ]) {
    await home.json(['vm', 'ls']);
    await home.run(['daemon', 'stop']);
    await lose();
    assert.deepEqual((await home.json<{ vms: Vm[] }>(['vm', 'ls'])).vms, []);
    const { uses } = await home.json<DiskSpace>(['system', 'df']);
    const unrecorded = uses.flatMap(({ kind, describes }) => (kind === 'unrecorded' ? [describes] : []));
    assert.deepEqual(unrecorded.sort(), ['the image debian', 'the kernel debian', 'the vm runs', 'the vm still']);

    const running = await home.run(['system', 'recover']);
    assert.match(running.stderr, /DAEMON_ALREADY_RUNNING[\s\S]*banger daemon stop/);
    assert.equal((await recoverStopped(home)).isChanged, true);
    assert.deepEqual(await factsOf(home), before);
  }
  assert.equal((await home.run(['vm', 'exec', 'runs', '--', 'echo', 'never stopped'])).stdout, 'never stopped\n');
});

test('a recovery that is killed at any point has lost nothing, and can be made again', async (t) => {
  const hook = new URL('../support/crash-after.ts', import.meta.url).pathname;
  const { home, path, before } = await makeHome(t);
  const armedBy = join(home.folder, 'crash');
  const damaged = Buffer.from('somebody’s file '.repeat(99));
  await home.run(['daemon', 'stop']);
  const env = { ...process.env, ...home.env, BANGER_CRASH_FILE: armedBy };
  const again = () => recover({ paths: { ...home.paths, config: '' }, dryRun: false, now: () => new Date() });
  const namesIn = () => {
    using database = new DatabaseSync(path);
    return database
      .prepare('SELECT name FROM vms ORDER BY name')
      .all()
      .map((row) => row.name);
  };

  const bases = ['images', 'kernels'].map((name) => join(home.paths.data, name));
  for (const folder of bases) await rename(folder, `${folder}.away`); // each recovery would read all of them
  for (let touch = 1; ; touch++) {
    await writeFile(path, damaged);
    await writeFile(armedBy, String(touch));
    const { signal } = spawnSync(process.execPath, ['--import', hook, RECOVER], { env });
    await rm(armedBy);
    if (signal === null) {
      t.diagnostic(`${touch - 1} kills`);
      assert.ok(touch > 15);
      break;
    }
    const there = await readFile(path);
    if (!there.equals(damaged)) assert.deepEqual(namesIn(), ['runs', 'still'], `killed at ${touch}`);
    const kept = await readdir(home.paths.state);
    const isKept = await Promise.all(
      kept.map(
        async (name) =>
          name.startsWith('state.sqlite') && (await readFile(join(home.paths.state, name))).equals(damaged),
      ),
    );
    assert.ok(isKept.includes(true), `the old state is gone, killed at ${touch}`);
    assert.ok((await again()).items.length > 0);
    assert.deepEqual(namesIn(), ['runs', 'still'], `killed at ${touch}, then again`);
    for (const name of kept.filter((each) => each.includes('.before-'))) await rm(join(home.paths.state, name));
  }
  for (const folder of bases) await rename(`${folder}.away`, folder);
  await again();
  assert.deepEqual(await factsOf(home), before);
});

test('an old copy in place of the state loses nothing that was made since', async (t) => {
  const home = await createFakeHome(t);
  const path = join(home.paths.state, 'state.sqlite');
  await home.json(['vm', 'create', '--name', 'old']);
  await home.json(['vm', 'create', '--name', 'gone']);
  await home.run(['daemon', 'stop']);
  await copyFile(path, `${path}.old`);
  await home.json(['vm', 'set', '--memory', '640M', 'old']);
  await home.json(['vm', 'create', '--name', 'new']);
  await home.json(['vm', 'rm', 'gone']);
  const before = await factsOf(home);
  await home.run(['daemon', 'stop']);
  await rename(`${path}.old`, path);

  await home.json(['vm', 'create', '--name', 'new', '--memory', '512M']); // the name is free, as far as this state knows
  const { items } = await recoverStopped(home);
  const after = await factsOf(home);
  const older = before.vms.find(({ name }) => name === 'new');
  const names = after.vms.map(({ name }) => name).sort();
  assert.deepEqual(names, ['gone', 'new', `new-${older?.id}`, 'old'], JSON.stringify(items));
  assert.deepEqual(
    after.vms.find(({ name }) => name === 'old'),
    before.vms.find(({ name }) => name === 'old'),
  );
  assert.deepEqual(
    after.vms.find(({ id }) => id === older?.id),
    { ...older, name: `new-${older?.id}` },
  );
  assert.match(items.find(({ name }) => name === 'gone')?.note ?? '', /its disk is gone; "banger vm rm"/);
  await home.json(['vm', 'rm', 'gone']);
});

test('what the folders do not tell comes from the copies of the state', async (t) => {
  const { home, path, before } = await makeHome(t);
  await home.json(['vm', 'kill', 'runs']);
  await home.run(['daemon', 'stop']);
  for (const { id } of before.vms) await rm(join(home.paths.data, 'vms', id, 'vm.json'));
  for (const kind of ['images', 'kernels'] as const) {
    for (const { digest } of before[kind]) await rm(join(home.paths.data, kind, String(digest).slice(7), 'names.json'));
  }
  await rm(path);
  await home.json(['vm', 'ls']); // begins an empty state, whose copy must not take the place of the other
  await home.run(['daemon', 'stop']);
  const copies = join(home.paths.state, 'copies');
  assert.equal((await readdir(copies)).length, 2);
  await writeFile(join(copies, '2026-01-01-00000001.sqlite'), 'garbage');
  execFileSync('mkfifo', [join(copies, '2026-01-02-00000002.sqlite')]);
  await home.json<Recovery>(['system', 'recover']);
  const stopped = before.vms.map((vm) => ({ ...vm, state: 'stopped' }));
  assert.deepEqual(await factsOf(home), { ...before, vms: stopped });
});

test('folders that lie, or tell nothing, are left as they are', async (t) => {
  const { home, path, before } = await makeHome(t);
  await home.run(['vm', 'kill', 'runs']);
  await home.run(['daemon', 'stop']);
  await rm(path);
  await mkdir(join(path, 'no state'), { recursive: true });
  await rm(join(home.paths.state, 'copies'), { recursive: true });
  const [still, runs] = before.vms;
  const folder = (id: string | undefined, file = '') => join(home.paths.data, 'vms', String(id), file);
  await mkdir(folder('aaaaaaaaaaaa'));
  await copyFile(folder(still?.id, 'vm.json'), folder('aaaaaaaaaaaa', 'vm.json'));
  await writeFile(folder('aaaaaaaaaaaa', 'disk.ext4'), 'a copy of another');
  await writeFile(folder(runs?.id, 'vm.json'), '{"v":1,"vm":{"id":"../../etc"}}');
  await mkdir(folder('notes'));
  const { items, keptAt } = await home.json<Recovery>(['system', 'recover']);
  assert.deepEqual(await readdir(String(keptAt)), ['no state']);
  const vms = items.filter(({ kind }) => kind === 'vm').map(({ name, is }) => `${name} ${is}`);
  assert.deepEqual(vms.sort(), ['still recovered', 'vms/aaaaaaaaaaaa left', `vms/${runs?.id} left`].sort());
  assert.deepEqual(
    (await factsOf(home)).vms.map(({ name }) => name),
    ['still'],
  );
  for (const name of ['aaaaaaaaaaaa', 'notes', String(runs?.id)]) {
    assert.ok(existsSync(folder(name)));
    await home.json(['system', 'prune', `vms/${name}`]);
  }
});

test('one damaged record costs nothing but itself, and is made anew', async (t) => {
  const { home, path, before } = await makeHome(t);
  await home.run(['daemon', 'stop']);
  {
    using database = new DatabaseSync(path);
    database.exec(`UPDATE vms SET state = '{"is":"flying"}', cpus = -3 WHERE name = 'still'`);
  }
  const { vms } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
  assert.deepEqual(
    vms.map(({ name }) => name),
    ['runs'],
  );
  const refused = await home.run(['vm', 'create', '--name', 'still']);
  assert.match(refused.stderr, /record of "still"[\s\S]*damaged[\s\S]*STATE_UNREADABLE[\s\S]*banger system recover/);
  const { images } = await home.json<{ images: Image[] }>(['image', 'ls']);
  assert.deepEqual(images[0]?.usedBy.sort(), ['runs', 'still'], 'what it needs stays');
  await recoverStopped(home);
  assert.deepEqual(await factsOf(home), before);
});

test('an image or a kernel that is not what its digest says is set aside, told, and comes back by an import', async (t) => {
  const home = await createFakeHome(t);
  const tarball = join(home.folder, 'rootfs.tar');
  const vmlinux = join(home.folder, 'vmlinux');
  await writeFile(tarball, sampleTar({ name: 'bin/', type: '5' }, { name: 'bin/sh', content: 'x'.repeat(9000) }));
  await writeFile(vmlinux, sampleVmlinux());
  const bases = [
    { kind: 'image', file: 'base.squashfs', args: ['image', 'import', 'mine', tarball] },
    { kind: 'kernel', file: 'vmlinux', args: ['kernel', 'import', 'mine', vmlinux] },
  ];
  const folders = [];
  for (const { kind, args, file } of bases) {
    const { digest } = await home.json<Image | Kernel>(args);
    folders.push({ kind, args, name: `${kind}s/${String(digest).slice(7)}`, file });
  }
  await home.json(['vm', 'create', '--name', 'web', '--image', 'mine', '--kernel', 'mine']);
  await home.run(['daemon', 'stop']);
  for (const { name, file } of folders) {
    const path = join(home.paths.data, name, file);
    await chmod(path, 0o600);
    await using opened = await open(path, 'r+');
    await opened.write('#', 150); // of the same size
  }
  const dry = await home.json<Recovery>(['system', 'recover', '--dry-run']);
  const { items } = await home.json<Recovery>(['system', 'recover']);
  assert.equal(dry.items.length, items.length);
  for (const { kind, name } of folders) {
    const left = items.find((item) => item.name === name);
    assert.match(String(left?.note), /do not match its digest: set aside as/);
    assert.match(
      String(items.find((item) => item.kind === kind && item.name === 'mine')?.note),
      /not as they were left/,
    );
    assert.ok(!existsSync(join(home.paths.data, name)));
  }
  assert.match(
    (await home.run(['vm', 'start', 'web'])).stderr,
    /(IMAGE|KERNEL)_NOT_FOUND\)\n {2}hint: .*mport the same/,
  );
  for (const { args } of folders) await home.json(args);
  await home.json(['vm', 'start', 'web']);
  const { uses } = await home.json<DiskSpace>(['system', 'df']);
  const unrecorded = uses.flatMap(({ kind, name }) => (kind === 'unrecorded' ? [name] : []));
  assert.equal(unrecorded.filter((name) => name.includes('.damaged-')).length, 2);
  await home.json(['system', 'prune', ...unrecorded]);
});
