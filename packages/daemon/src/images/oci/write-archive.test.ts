import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import { Task } from '../../platform/task.ts';
import { buildRootfs } from '../build-rootfs.ts';
import { sampleTar } from '../sample-tar.ts';
import { openArchive } from './open-archive.ts';
import { spanOfFile } from './span.ts';
import { writeArchive } from './write-archive.ts';

const CONFIG: ImageConfig = {
  ...{ env: ['PATH=/bin', 'A=b=c'], user: '7:1', workingDir: '/srv', entrypoint: ['/run'], command: ['x', ''] },
  stopSignal: 'SIGINT',
};
const ROOT = sampleTar(
  { name: 'bin/', type: '5', mode: 0o755 },
  { name: 'bin/su', mode: 0o4755, content: 'x'.repeat(300_000) },
  { name: 'bin/hard', type: '1', linkName: 'bin/su' },
  { name: 'odd \udcff', uid: 3_000_000, gid: 7, attributes: { 'user.note': Buffer.from([0, 61, 10]) } },
  { name: 'null', type: '3', mode: 0o666, device: [1, 3] },
);

async function makeBase(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-export-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const base = join(folder, 'base.squashfs');
  const writeRoot = async (_: Task, tar: Parameters<Parameters<typeof buildRootfs>[1]>[1]) => {
    tar.needsShell = false;
    await pipeline(Readable.from([ROOT]), tar);
    return null;
  };
  await buildRootfs(Task.background(), writeRoot, base);
  const write = async (name: string, config: ImageConfig | null, task = Task.background()) => {
    const workFolder = mkdtempSync(join(folder, 'work-'));
    const path = join(folder, name);
    await pipeline(await writeArchive(task, { base, config, name: 'app', workFolder }), createWriteStream(path));
    return path;
  };
  return { folder, base, write };
}

test('skopeo and umoci read the archive of an image, with its configuration and the same files', async (t) => {
  const { folder, base, write } = await makeBase(t);
  const archive = await write('app.tar', CONFIG);
  const inspect = (...options: string[]) =>
    JSON.parse(execFileSync('skopeo', ['inspect', ...options, `oci-archive:${archive}`], { encoding: 'utf8' }));
  const { architecture, os, config } = inspect('--config');
  assert.deepEqual(
    { architecture, os, config },
    {
      ...{ architecture: 'amd64', os: 'linux' },
      config: {
        ...{ Env: ['PATH=/bin', 'A=b=c'], User: '7:1', WorkingDir: '/srv', Entrypoint: ['/run'], Cmd: ['x', ''] },
        StopSignal: 'SIGINT',
      },
    },
  );
  // skopeo holds each blob to its digest, and umoci the layer's tar to that of the configuration.
  const layout = join(folder, 'layout');
  execFileSync('skopeo', ['copy', `oci-archive:${archive}:app`, `oci:${layout}:app`], { stdio: 'pipe' });
  execFileSync('umoci', ['unpack', '--rootless', '--image', `${layout}:app`, join(folder, 'bundle')], {
    stdio: 'pipe',
  });
  assert.equal(readFileSync(join(folder, 'bundle/rootfs/bin/hard'), 'utf8').length, 300_000);
  const [layer] = inspect('--raw').layers;
  const tar = execFileSync('zcat', { input: readFileSync(join(layout, 'blobs/sha256', layer.digest.slice(7))) });
  assert.ok(tar.equals(execFileSync('sqfs2tar', [base])));
});

test('the archive of an image comes in again with the same configuration and files, and is the same each time', async (t) => {
  const { folder, base, write } = await makeBase(t);
  const refuse = (why: string) => new RangeError(why);
  for (const config of [CONFIG, null]) {
    const archive = await write('app.tar', config);
    assert.ok(readFileSync(await write('again.tar', config)).equals(readFileSync(archive)));
    const image = await openArchive(Task.background(), await spanOfFile(archive), 'app', refuse);
    const nothing = { env: [], user: null, workingDir: null, entrypoint: [], command: [], stopSignal: null };
    assert.deepEqual(image?.config, config ?? nothing);
    const again = join(folder, 'again.squashfs');
    await buildRootfs(Task.background(), image?.writeTo as never, again);
    assert.ok(execFileSync('sqfs2tar', [again]).equals(execFileSync('sqfs2tar', [base])));
  }
});

test('a base that is damaged is told, and a cancelled export ends', async (t) => {
  const { folder, base, write } = await makeBase(t);
  const controller = new AbortController();
  const task = new Task(controller.signal, () => {});
  setImmediate(() => controller.abort());
  await assert.rejects(write('x.tar', null, task), { code: 'CANCELLED' });
  truncateSync(base, 500);
  await assert.rejects(write('x.tar', null), { code: 'IMAGE_DAMAGED' });
  assert.ok(!readdirSync(folder).includes('x.tar'));
});
