import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Digest } from '@banger/contract/digest.ts';
import { Task } from '../../platform/task.ts';
import { sampleTar } from '../sample-tar.ts';
import { mergeLayers } from './merge-layers.ts';
import { spanOfFile } from './span.ts';

const TAR = sampleTar({ name: 'x', content: 'y'.repeat(100_000) });

test('what all layers unpack to has a bound, and how much of them was read is told', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-merge-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'layer'), gzipSync(TAR));
  const span = await spanOfFile(join(folder, 'layer'));
  const diffId = `sha256:${createHash('sha256').update(TAR).digest('hex')}` as Digest;
  const layer = { span, digest: null, diffId };
  const merge = async (maxTarBytes: number) => {
    let read: unknown[] = [];
    const task = new Task(new AbortController().signal, (event) => {
      if (event.is === 'progress') read = [event.done, event.total, event.unit];
    });
    const refuse = (why: string) => new RangeError(why);
    const tar = new PassThrough().resume();
    await mergeLayers(task, { layers: [layer, layer, layer], refuse, maxTarBytes }, tar);
    return read;
  };
  await assert.rejects(merge(3 * TAR.length - 1), { name: 'RangeError', message: /^The layers hold more than/ });
  assert.deepEqual(await merge(3 * TAR.length), [6 * span.bytes, 6 * span.bytes, 'bytes']);
});
