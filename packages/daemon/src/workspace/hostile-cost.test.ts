/** A guest that sends little and makes it cost much. Each is ended at a bound, which is named. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fingerprint, idOf, packOf, repeating, setUp } from './hostile-guest-suite.ts';
import { WORKSPACE_LIMITS } from './workspace-parts.ts';

const MIB = 2 ** 20;
const PAGE = Buffer.alloc(65_536);

test('a diff that would fill the disk is ended at its bound, whatever was sent for it', async (t) => {
  const limits = { ...WORKSPACE_LIMITS, diffBytes: 5 * MIB };
  const { folder, repo, base, offerBytes, diffed, tree, object } = await setUp(t, {
    limits,
    hostile: { memoryBytes: 300 * MIB },
  });
  const before = fingerprint(repo);
  // 1 MB of lines, which their delta says in a few bytes, by ten names
  const names = [...'abcdefghij'];
  const lines = Buffer.alloc(65_536, 'y\n');
  const many = idOf('blob', Buffer.alloc(MIB, 'y\n'));
  const large = tree(...names.map((name) => ['100644', name, many] as [string, string, string]));
  const pack = packOf([
    { type: 'blob', content: lines },
    { base: idOf('blob', lines), delta: repeating(lines.length, 16) },
    { type: 'tree', content: treeOf('100644', many) },
  ]);
  assert.ok(pack.length < 1500, `${pack.length} bytes`);
  offerBytes(() => [Buffer.from(`banger-workspace ${base} none ${large} 0\n`), pack]);
  for (const isPatch of [false, true]) {
    await assert.rejects(diffed(isPatch), { code: 'WORKSPACE_REFUSED', message: /printed more than 5M/ });
  }

  // A file by ten names, in a folder by ten names, and so on: ten thousand million files
  const blob = object('blob', 'few\n');
  const levels = [tree(...names.map((name) => ['100644', name, blob] as [string, string, string]))];
  for (let at = 1; at < 10; at++) {
    levels.unshift(tree(...names.map((name) => ['40000', name, levels[0]] as [string, string, string])));
  }
  const bomb = packOf([
    { type: 'blob', content: Buffer.from('few\n') },
    ...levels.map((_id, at) => {
      const next = levels[at + 1];
      return { type: 'tree' as const, content: next === undefined ? treeOf('100644', blob) : treeOf('40000', next) };
    }),
  ]);
  offerBytes(() => [Buffer.from(`banger-workspace ${base} none ${levels[0]} 0\n`), bomb]);
  for (const isPatch of [false, true]) {
    await assert.rejects(diffed(isPatch), { code: 'WORKSPACE_REFUSED', message: /more than 300M of memory/ });
  }

  assert.equal(fingerprint(repo), before);
  const left = (readdirSync(join(folder, 'data'), { recursive: true }) as string[]).filter((name) =>
    /quarantine/.test(name),
  );
  assert.deepEqual(left, []);

  function treeOf(mode: string, id: string): Buffer {
    return Buffer.concat(names.flatMap((name) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]));
  }
});

test('objects that claim much memory are refused at its bound', async (t) => {
  const { repo, base, offerBytes, exported, diffed } = await setUp(t, { hostile: { memoryBytes: 300 * MIB } });
  const before = fingerprint(repo);
  const large = Buffer.alloc(200 * MIB);
  const pack = packOf([
    { type: 'blob', content: PAGE },
    { base: idOf('blob', PAGE), delta: repeating(PAGE.length, 3200) },
    { base: idOf('blob', large), delta: repeating(large.length, 3201) },
  ]);
  assert.ok(pack.length < 901, `${pack.length} bytes`);
  offerBytes(() => [Buffer.from(`banger-workspace ${base} ${base} ${'1'.repeat(40)} 0\n`), pack]);
  await assert.rejects(exported(), { code: 'WORKSPACE_REFUSED', message: /more than 300M of memory/ });
  await assert.rejects(diffed(false), { code: 'WORKSPACE_REFUSED', message: /more than 300M of memory/ });
  assert.equal(fingerprint(repo), before);
});

test('and those that claim one object of more than git may ask for, with the usual bounds', async (t) => {
  const { base, offerBytes, exported } = await setUp(t);
  const pack = packOf([
    { type: 'blob', content: PAGE },
    { base: idOf('blob', PAGE), delta: repeating(PAGE.length, 32_767) }, // 2 GB
  ]);
  offerBytes(() => [Buffer.from(`banger-workspace ${base} ${base} ${'1'.repeat(40)} 0\n`), pack]);
  await assert.rejects(exported(), { code: 'WORKSPACE_REFUSED', message: /more than 1.5G of memory/ });
});

test('trees that take for ever to walk are refused at the bound of the processor', { timeout: 60_000 }, async (t) => {
  const { base, offerBytes, diffed, object, tree } = await setUp(t, { hostile: { cpuSeconds: 1 } });
  // Folders in folders without a single file: nothing is printed
  const letters = [...'abcdefghij'];
  const empty = object('tree', '');
  const contents = [Buffer.alloc(0)];
  let id = empty;
  for (let at = 0; at < 10; at++) {
    contents.push(Buffer.concat(letters.flatMap((name) => [Buffer.from(`40000 ${name}\0`), Buffer.from(id, 'hex')])));
    id = tree(...letters.map((name) => ['40000', name, id] as [string, string, string]));
  }
  const pack = packOf(contents.map((content) => ({ type: 'tree', content })));
  offerBytes(() => [Buffer.from(`banger-workspace ${base} none ${id} 0\n`), pack]);
  await assert.rejects(diffed(false), { code: 'WORKSPACE_REFUSED', message: /more than 1 s of the processor/ });
});
