import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import { packContext, readContext } from './pack-context.ts';

function makeFolder(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'banger-context-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

async function namesIn(folder: string, dockerfile = `${folder}/Dockerfile`): Promise<string[]> {
  const names: string[] = [];
  const tar = packContext(await readContext(folder, dockerfile), { files: 0, bytes: 0, skipped: 0 });
  for await (const { name } of readTar(tar)) names.push(name.replace(/\/$/, ''));
  return names;
}

test('what is ignored is not in it, the Dockerfile always is', async (t) => {
  const folder = makeFolder(t, {
    Dockerfile: 'FROM scratch\n',
    '.dockerignore': 'Dockerfile\nsecret*\nbig\n!big/one\nempty\n!empty/none\n',
    'secret.key': 'k',
    'src/a': 'a',
    'big/one': '1',
    'big/two': '2',
    'empty/other': '3',
  });
  symlinkSync('/etc/passwd', join(folder, 'link'));
  assert.deepEqual(await namesIn(folder), [
    'Dockerfile',
    'context',
    'context/.dockerignore',
    'context/big',
    'context/big/one',
    'context/link',
    'context/src',
    'context/src/a',
  ]);
});

test('the rules that have the name of the Dockerfile go before those of the context', async (t) => {
  const folder = makeFolder(t, {
    'build/My.file': 'FROM scratch\n',
    'build/My.file.dockerignore': 'b\nbuild\n.dockerignore',
    '.dockerignore': 'a',
    a: '',
    b: '',
  });
  assert.deepEqual(await namesIn(folder, `${folder}/build/My.file`), ['Dockerfile', 'context', 'context/a']);
});

test('what is not there is named', async (t) => {
  const folder = makeFolder(t, { a: '' });
  await assert.rejects(readContext(folder, `${folder}/Dockerfile`), { code: 'FILE_NOT_FOUND', message: /Dockerfile/ });
  await assert.rejects(readContext(`${folder}/a`, `${folder}/a`), { code: 'FILE_NOT_FOUND', message: /is no folder/ });
});
