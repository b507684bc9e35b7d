/**
 * SIGKILL right before a thing that the import of an image, from a file or as it is sent, of a kernel, or the pull of a
 * hypervisor does to the host, under a name that meant another.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Image, Kernel } from '@banger/contract/api/images.ts';
import { readNames } from '../../packages/daemon/src/bases/names-file.ts';
import { isWholeImage } from '../../packages/daemon/src/images/images.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { isWholeKernel } from '../../packages/daemon/src/kernels/kernels.ts';
import { sampleVmlinux } from '../../packages/daemon/src/kernels/sample-kernel.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { locateProgram } from '../../packages/daemon/src/releases/pulled.ts';
import { sampleProgram } from '../../packages/daemon/src/releases/sample-release.ts';
import { openBases } from '../support/import-base.ts';
import { gzipLayer, startRegistry } from '../support/registry.ts';

const HOOK = new URL('../support/crash-after.ts', import.meta.url).pathname;
const PROGRAM = new URL('../support/import-base.ts', import.meta.url).pathname;
/** Each kill takes half a second, so not every touch is tried; the two imports begin at different ones */
const STRIDE = 3;

const rootfs = (text: string) => sampleTar({ name: 'bin/', type: '5' }, { name: 'bin/sh', content: text });
/** As Docker saves an image; sent, it is kept as a file on the way. */
const archive = (text: string) => {
  const layer = rootfs(text);
  const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
  return sampleTar(
    { name: 'manifest.json', content: JSON.stringify([{ Config: 'c', RepoTags: null, Layers: ['layer'] }]) },
    { name: 'c', content: JSON.stringify({ config: { Cmd: [text] }, rootfs: { diff_ids: [diffId] } }) },
    { name: 'layer', content: layer.toString('latin1') },
  );
};
const KINDS = [
  {
    ...{ kind: 'image', what: 'an image', folder: 'images', isWhole: isWholeImage },
    files: [rootfs('one'), rootfs('two')],
  },
  {
    ...{ kind: 'image', what: 'an image in an archive', folder: 'images', isWhole: isWholeImage },
    files: [archive('one'), archive('two')],
  },
  {
    ...{ kind: 'kernel', what: 'a kernel', folder: 'kernels', isWhole: isWholeKernel },
    files: [sampleVmlinux({ release: '6.1.0-one' }), sampleVmlinux({ release: '6.1.0-two' })],
  },
] as const;

for (const [index, { kind, what, folder, files, isWhole }] of KINDS.entries()) {
  test(`an import of ${what} that is killed leaves the old one or the new one, whole, and nothing else`, async (t) => {
    const home = mkdtempSync(join(tmpdir(), 'banger-bases-'));
    t.after(() => rmSync(home, { recursive: true, force: true }));
    const armedBy = join(home, 'crash');
    const listOf = async (bases: ReturnType<typeof openBases>): Promise<Image[] | Kernel[]> =>
      kind === 'image' ? bases.images.list() : bases.kernels.list();
    const paths = files.map((content, at) => {
      writeFileSync(join(home, `file-${at}`), content);
      return join(home, `file-${at}`);
    });
    const importIt = (at: number) => {
      const how = kind === 'image' && at === 1 ? 'sent' : kind;
      const words = ['--import', HOOK, PROGRAM, how, home, 'mine', String(paths[at])];
      return spawnSync(process.execPath, words, {
        env: { ...process.env, BANGER_CRASH_FILE: armedBy },
        encoding: 'utf8',
      });
    };
    assert.equal(importIt(0).status, 0);
    let kills = 0;
    for (let touch = 1 + (index % STRIDE); ; touch += STRIDE) {
      writeFileSync(armedBy, String(touch));
      const { signal, stderr } = importIt((kills + 1) % 2);
      rmSync(armedBy);
      if (signal === null) {
        assert.equal(stderr, '');
        break;
      }
      kills += 1;
      const when = `killed at touch ${touch}`;
      const bases = openBases(home);
      try {
        await bases.images.sweep();
        await bases.kernels.sweep();
        const [record, ...others] = (await listOf(bases)).filter(({ digest }) => digest !== null);
        const here = readdirSync(join(home, folder));
        assert.deepEqual([record?.name, others], ['mine', []], when);
        assert.deepEqual(here, [String(record?.digest).slice(7)], when);
        assert.ok(await isWhole(Task.background(), join(home, folder, String(here[0]))), when);
        assert.deepEqual(
          readNames(join(home, folder, String(here[0])))?.map(({ name }) => name),
          ['mine'],
          when,
        );
      } finally {
        bases.close();
      }
    }
    t.diagnostic(`${kills} kills`);
    assert.ok(kills >= 5);
    assert.ok(!existsSync(armedBy));
  });
}

test('a pull of a hypervisor that is killed leaves the old program or the new one, whole, and nothing else', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'banger-bases-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const armedBy = join(home, 'crash');
  const programs = ['Firecracker v1.16.1\n', 'Firecracker v1.16.1\n\n'].map(sampleProgram);
  for (const [at, program] of programs.entries()) writeFileSync(join(home, `file-${at}`), program);
  const pull = (at: number) =>
    spawnSync(
      process.execPath,
      ['--import', HOOK, PROGRAM, 'hypervisor', home, 'firecracker', join(home, `file-${at}`)],
      { env: { ...process.env, BANGER_CRASH_FILE: armedBy }, encoding: 'utf8' },
    );
  assert.equal(pull(0).status, 0);
  let kills = 0;
  for (let touch = 1; ; touch += STRIDE) {
    writeFileSync(armedBy, String(touch));
    const { signal, stderr } = pull((kills + 1) % 2);
    rmSync(armedBy);
    if (signal === null) {
      assert.equal(stderr, '');
      break;
    }
    kills += 1;
    const bases = openBases(home);
    try {
      await bases.releases.sweep();
      const path = await locateProgram(join(home, 'hypervisors'), 'firecracker');
      const when = `killed at touch ${touch}`;
      assert.equal(readdirSync(join(home, 'hypervisors')).length, 1, when);
      assert.ok(
        programs.some((program) => program.equals(readFileSync(path))),
        when,
      );
    } finally {
      bases.close();
    }
  }
  t.diagnostic(`${kills} kills`);
  assert.ok(kills >= 3);
});

test('a pull of an image that is killed leaves the old one or the new one, whole, and of what it fetched whole layers', async (t) => {
  const registry = await startRegistry(t);
  const home = mkdtempSync(join(tmpdir(), 'banger-bases-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const armedBy = join(home, 'crash');
  const name = `${registry.host}/org/app:1`;
  const put = (text: string) =>
    registry.putImage('org/app', '1', {
      layers: [rootfs('sh'), sampleTar({ name: 'text', content: text })].map(gzipLayer),
    });
  const pull = () =>
    spawnSync(process.execPath, ['--import', HOOK, PROGRAM, 'pull', home, name, registry.authFile], {
      env: { ...process.env, BANGER_CRASH_FILE: armedBy },
      encoding: 'utf8',
    });
  await put('first');
  const first = pull();
  assert.equal(first.status, 0, first.stderr);
  let kills = 0;
  for (let touch = 1; ; touch += STRIDE) {
    const manifestDigest = await put(`at ${touch}`);
    writeFileSync(armedBy, String(touch));
    const { signal, stderr } = pull();
    rmSync(armedBy);
    const when = `killed at touch ${touch}`;
    const bases = openBases(home);
    try {
      await bases.images.sweep();
      const [record, ...others] = (await bases.images.list()).filter(({ digest }) => digest !== null);
      assert.deepEqual([record?.name, others], [name, []], when);
      const [here, ...more] = readdirSync(join(home, 'images'));
      assert.deepEqual([here, more], [String(record?.digest).slice(7), []], when);
      assert.ok(await isWholeImage(Task.background(), join(home, 'images', String(here))), when);
      assert.deepEqual(
        readNames(join(home, 'images', String(here)))?.map(({ pulled }) => pulled),
        [record?.pulled],
        when,
      );
      assert.deepEqual(readdirSync(join(home, 'cache/oci/pulls')), [], when);
      if (signal !== null) continue;
      assert.equal(stderr, '');
      assert.equal(record?.pulled?.manifestDigest, manifestDigest, 'it is what was put last');
      break;
    } finally {
      kills += signal === null ? 0 : 1;
      bases.close();
    }
  }
  t.diagnostic(`${kills} kills`);
  assert.ok(kills >= 5);
});
