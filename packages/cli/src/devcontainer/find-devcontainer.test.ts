import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findDevcontainer } from './find-devcontainer.ts';

function makeRepository(t: TestContext, files: readonly string[]) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'banger-devcontainer-')));
  t.after(() => rmSync(base, { recursive: true }));
  const top = join(base, 'repo');
  mkdirSync(top);
  const put = (name: string, content = name) => {
    mkdirSync(dirname(join(top, name)), { recursive: true });
    writeFileSync(join(top, name), content);
  };
  for (const name of files) put(name);
  const link = (target: string, name: string) => {
    mkdirSync(dirname(join(top, name)), { recursive: true });
    symlinkSync(target, join(top, name));
  };
  /** What is found, its folder, and the content that was read, by paths in the repository */
  const find = async (folder = '', chosen?: string) => {
    const found = await findDevcontainer(top, join(top, folder), chosen);
    return [found.path.slice(top.length + 1), found.opened.slice(top.length + 1), found.bytes.toString()];
  };
  return { base, top, put, link, find };
}

test('the usual places are looked at in their order, in the folder first and then at the top', async (t) => {
  const { find, put } = makeRepository(t, ['Dockerfile']);
  assert.deepEqual(await find(), ['Dockerfile', '', 'Dockerfile']);
  put('.devcontainer/only/devcontainer.json', 'only');
  assert.deepEqual(await find(), ['.devcontainer/only/devcontainer.json', '', 'only']);
  put('.devcontainer.json', 'short');
  assert.deepEqual(await find(), ['.devcontainer.json', '', 'short']);
  put('.devcontainer/devcontainer.json', 'usual');
  assert.deepEqual(await find(), ['.devcontainer/devcontainer.json', '', 'usual']);

  put('api/Dockerfile');
  assert.deepEqual((await find('api'))[0], '.devcontainer/devcontainer.json', 'a document goes before a Dockerfile');
  put('api/.devcontainer/devcontainer.json', 'of the folder');
  assert.deepEqual(await find('api'), ['api/.devcontainer/devcontainer.json', 'api', 'of the folder']);
});

test('of several one has to be chosen, and any can be', async (t) => {
  const { find } = makeRepository(t, [
    '.devcontainer/b/devcontainer.json',
    '.devcontainer/a/devcontainer.json',
    '.devcontainer/x',
    'conf/dev.json',
  ]);
  await assert.rejects(find(), {
    code: 'USAGE',
    message: /\.devcontainer\/a\/devcontainer\.json, \.devcontainer\/b\/devcontainer\.json/,
    hint: 'Choose one: --devcontainer-file .devcontainer/a/devcontainer.json',
  });
  const chosen = '.devcontainer/b/devcontainer.json';
  assert.deepEqual(await find('', chosen), [chosen, '', chosen]);
  assert.deepEqual(await find('', './conf/dev.json'), ['conf/dev.json', 'conf', 'conf/dev.json']);
  await assert.rejects(find('', 'none.json'), { code: 'DEVCONTAINER_NOT_FOUND' });
});

test('a repository without any says what would be one', async (t) => {
  const { find, top } = makeRepository(t, ['README', '.devcontainer']);
  await assert.rejects(find(), { code: 'DEVCONTAINER_NOT_FOUND', hint: /\.devcontainer\/devcontainer\.json/ });
  mkdirSync(join(top, 'Dockerfile'));
  await assert.rejects(find(), { code: 'DEVCONTAINER_INVALID', message: /Dockerfile is no file/ });
});

test('a link is followed inside of the repository, and nowhere else', async (t) => {
  const { base, top, find, link } = makeRepository(t, ['docker/Dockerfile', '.git/config']);
  link('docker/Dockerfile', 'Dockerfile');
  assert.deepEqual(await find(), ['Dockerfile', '', 'docker/Dockerfile']);
  writeFileSync(join(base, 'secret'), 'secret');
  mkdirSync(join(base, 'repo-2'));
  writeFileSync(join(base, 'repo-2/devcontainer.json'), '{}');
  const OUT: [target: string, name: string][] = [
    ['../secret', '.devcontainer.json'],
    [join(base, 'secret'), '.devcontainer.json'],
    ['/proc/self/environ', '.devcontainer.json'],
    ['../repo-2', '.devcontainer'],
    ['.git/config', '.devcontainer.json'],
  ];
  for (const [target, name] of OUT) {
    link(target, name);
    await assert.rejects(find(), { code: 'REPO_UNTRUSTED' }, target);
    rmSync(join(top, name));
  }
  await assert.rejects(find('', '../secret'), { code: 'REPO_UNTRUSTED', message: /leads out/ });
  await assert.rejects(find('', '/etc/passwd'), { code: 'REPO_UNTRUSTED' });
  await assert.rejects(find('', '.git/config'), { code: 'REPO_UNTRUSTED', message: /git's own/ });
});

test('what is large, waits or goes in a circle is told', async (t) => {
  const { top, put, find, link } = makeRepository(t, []);
  put('.devcontainer.json', 'x'.repeat(2 ** 20));
  assert.equal((await find())[2]?.length, 2 ** 20);
  put('.devcontainer.json', 'x'.repeat(2 ** 20 + 1));
  await assert.rejects(find(), { code: 'DEVCONTAINER_INVALID', message: /larger than 1M/ });
  rmSync(join(top, '.devcontainer.json'));
  execFileSync('mkfifo', [join(top, '.devcontainer.json')]);
  await assert.rejects(find(), { code: 'DEVCONTAINER_INVALID', message: /is no file/ });
  rmSync(join(top, '.devcontainer.json'));
  link('.devcontainer.json', '.devcontainer.json');
  await assert.rejects(find(), { code: 'DEVCONTAINER_INVALID', message: /ELOOP/ });
});
