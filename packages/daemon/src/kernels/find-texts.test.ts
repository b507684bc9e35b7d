import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Task } from '../platform/task.ts';
import { findTexts } from './find-texts.ts';

const MIB = 2 ** 20;

test('texts are found wherever the file is cut into windows, each once', async () => {
  const bytes = Buffer.alloc(3 * MIB);
  const places = [0, 77, MIB - 3, MIB + 50, 2 * MIB - 1, 3 * MIB - 6];
  for (const at of places) bytes.write('needle', at, 'latin1');
  bytes.write('other', MIB + 100, 'latin1');
  assert.deepEqual(await search(bytes, ['needle', 'other', 'absent']), {
    needle: places,
    other: [MIB + 100],
  });
});

test('a file that repeats a text a million times is searched no further than 64 places', async () => {
  const found = await search(Buffer.alloc(2 * MIB, 'ab'), ['ab']);
  assert.deepEqual(
    found.ab,
    Array.from({ length: 64 }, (_, index) => 2 * index),
  );
});

test('a caller that leaves ends the search', async () => {
  const controller = new AbortController();
  controller.abort();
  await assert.rejects(search(Buffer.alloc(10), ['a'], new Task(controller.signal, () => {})), { code: 'CANCELLED' });
});

async function search(bytes: Buffer, texts: string[], task = Task.background()) {
  const folder = mkdtempSync(join(tmpdir(), 'banger-find-'));
  try {
    writeFileSync(join(folder, 'file'), bytes);
    await using file = await open(join(folder, 'file'));
    return Object.fromEntries(await findTexts(task, file, texts));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
