import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { followFile } from './follow-file.ts';

async function makeFile(t: TestContext, content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'banger-follow-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'log'), content);
  return join(folder, 'log');
}

async function readAll(path: string, tail?: number): Promise<string> {
  return new Response(await followFile(path, { tail, follow: false })).text();
}

test('the whole file, or its last lines, or none', async (t) => {
  const path = await makeFile(t, 'one\ntwo\nthree\n');
  assert.equal(await readAll(path), 'one\ntwo\nthree\n');
  assert.equal(await readAll(path, 2), 'two\nthree\n');
  assert.equal(await readAll(path, 9), 'one\ntwo\nthree\n');
  assert.equal(await readAll(path, 0), '');
});

test('the last lines of a file larger than one read', async (t) => {
  const path = await makeFile(t, Array.from({ length: 50_000 }, (_, line) => `line ${line}\n`).join(''));
  assert.equal(await readAll(path, 2), 'line 49998\nline 49999\n');
  assert.equal((await readAll(path, 20_000)).split('\n').length, 20_001);
});

test('a file that is not there is empty', async () => {
  assert.equal(await readAll('/nonexistent/log'), '');
});

test('a follower sees what is added, also after the file was cut', async (t) => {
  const path = await makeFile(t, 'one\n');
  const reader = (await followFile(path, { follow: true })).getReader();
  const next = async () => Buffer.from((await reader.read()).value ?? '').toString();
  assert.equal(await next(), 'one\n');
  await appendFile(path, 'two\n');
  assert.equal(await next(), 'two\n');
  await writeFile(path, 'new\n');
  assert.equal(await next(), 'new\n');
  await reader.cancel();
});
