import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import type { Cli } from '../cli.ts';
import { buildImage, nameImage } from './build-image.ts';

/** A repository, and a daemon that builds whatever comes; `sent` is what came, by its name. */
function createBuild(t: TestContext, files: Record<string, string>) {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'banger-build-')));
  t.after(() => rmSync(base, { recursive: true }));
  const top = join(base, 'repo');
  const put = (name: string, content: string) => {
    mkdirSync(dirname(join(top, name)), { recursive: true });
    writeFileSync(join(top, name), content);
  };
  for (const [name, content] of Object.entries(files)) put(name, content);
  const known = new Set<string>();
  const sent: Record<string, string>[] = [];
  const queries: unknown[] = [];
  const client = {
    imageBuilt: async ({ from }: { from: string }) => ({ isBuilt: known.has(from) }),
    imageBuild: ({ tar, from, ...query }: { tar: AsyncIterable<Uint8Array>; from: string }) => ({
      result: async () => {
        const content: Record<string, string> = {};
        for await (const { name, type, target, body } of readTar(tar)) {
          let text = type === 'symlink' ? `-> ${target}` : '';
          for await (const { bytes } of body()) text += Buffer.from(bytes).toString();
          if (type !== 'directory') content[name] = text;
        }
        sent.push(content);
        queries.push(query);
        known.add(from);
        return {};
      },
    }),
  };
  const cli = { client, note: () => {}, isQuiet: true, terminal: {} } as unknown as Cli;
  const build = (entries: string[], options: Partial<Parameters<typeof buildImage>[1]['build']> = {}, isAnew = false) =>
    buildImage(cli, {
      top,
      path: join(top, '.devcontainer/devcontainer.json'),
      build: { is: 'built', dockerfile: 'Dockerfile', context: '..', target: undefined, args: [], ...options },
      entries,
      name: 'app-devcontainer-0',
      isAnew,
    });
  return { base, top, put, build, sent, queries };
}

const FILES = {
  '.devcontainer/Dockerfile': 'FROM scratch',
  '.dockerignore': 'docs\n!docs/keep\n*.log',
  '.env': 'SECRET=1',
  '.git/config': 'token',
  'node_modules/a/index.js': 'a',
  'src/main.c': 'int',
  'docs/a': 'a',
  'docs/keep': 'k',
  'a.log': 'log',
};
const TRAVELS = ['.devcontainer/Dockerfile', '.dockerignore', 'src/main.c', 'docs/a', 'docs/keep', 'a.log', 'gone'];

test('what does not go into a machine does not go into a build, nor does what is ignored there', async (t) => {
  const { build, sent, queries } = createBuild(t, FILES);
  assert.equal(await build(TRAVELS, { args: ['A=1', 'B='], target: 'dev' }), 'app-devcontainer-0');
  assert.deepEqual(sent, [
    {
      Dockerfile: 'FROM scratch',
      'context/.devcontainer/Dockerfile': 'FROM scratch',
      'context/.dockerignore': FILES['.dockerignore'],
      'context/docs/keep': 'k',
      'context/src/main.c': 'int',
    },
  ]);
  assert.deepEqual(queries, [{ image: 'app-devcontainer-0', target: 'dev', pullAlways: false, args: 'A=1\0B=' }]);
  await build(TRAVELS, { context: '../src', dockerfile: '../.devcontainer/Dockerfile' });
  assert.deepEqual(Object.keys(sent[1] ?? {}), ['Dockerfile', 'context/main.c']);
});

test('it is built again only when something in it has changed, for which a time is nothing', async (t) => {
  const { top, put, build, sent } = createBuild(t, FILES);
  const again = async (why: string, expected: number, options = {}) => {
    await build(TRAVELS, options);
    assert.equal(sent.length, expected, why);
  };
  await again('the first', 1);
  utimesSync(join(top, 'src/main.c'), 1, 1);
  put('.env', 'SECRET=2');
  put('a.log', 'more');
  put('src/untracked', 'x');
  await again('nothing of it has changed', 1);
  put('src/main.c', 'INT');
  await again('a file', 2);
  put('.devcontainer/Dockerfile', 'FROM base');
  await again('the Dockerfile', 3);
  await again('an argument', 4, { args: ['A=1'] });
  await again('the target', 5, { target: 'x' });
  await build(TRAVELS, { target: 'x' }, true);
  assert.equal(sent.length, 6, 'somebody asked for it');
});

test('a context, a Dockerfile or rules that lie elsewhere are refused', async (t) => {
  const { base, top, build, sent } = createBuild(t, FILES);
  const refuse = (options: object, code: string) =>
    assert.rejects(build(TRAVELS, options), { code }, JSON.stringify(options));
  mkdirSync(join(base, 'home'));
  writeFileSync(join(base, 'home/Dockerfile'), 'FROM x');
  symlinkSync('../../home', join(top, '.devcontainer/out'));
  await refuse({ context: '../..' }, 'REPO_UNTRUSTED');
  await refuse({ context: '/' }, 'REPO_UNTRUSTED');
  await refuse({ context: 'out' }, 'REPO_UNTRUSTED');
  await refuse({ context: '../.git' }, 'REPO_UNTRUSTED');
  await refuse({ dockerfile: 'out/Dockerfile' }, 'REPO_UNTRUSTED');
  await refuse({ dockerfile: '../.git/config' }, 'REPO_UNTRUSTED');
  await refuse({ dockerfile: 'none' }, 'DEVCONTAINER_INVALID');
  await refuse({ context: 'none' }, 'DEVCONTAINER_INVALID');
  await refuse({ context: 'Dockerfile' }, 'FILE_NOT_FOUND');
  rmSync(join(top, '.dockerignore'));
  symlinkSync('/etc/passwd', join(top, '.dockerignore'));
  await refuse({}, 'REPO_UNTRUSTED');
  assert.deepEqual(sent, []);
});

test('a link goes as a link, wherever it leads', async (t) => {
  const { base, top, build, sent } = createBuild(t, { '.devcontainer/Dockerfile': 'FROM scratch', 'folder/file': 'f' });
  writeFileSync(join(base, 'secret'), 's');
  symlinkSync('../secret', join(top, 'link'));
  rmSync(join(top, 'folder'), { recursive: true });
  symlinkSync(base, join(top, 'folder')); // git still has a folder there
  await build(['link', 'folder/file', 'folder/secret']);
  assert.deepEqual(sent, [
    { Dockerfile: 'FROM scratch', 'context/folder': `-> ${base}`, 'context/link': '-> ../secret' },
  ]);
});

test('names are those of images, whatever a repository is called', () => {
  for (const name of ['App', '.x_y z', '-', 'ü', 'a'.repeat(300), `${'a'.repeat(59)}-b`]) {
    assert.match(nameImage(name, '0123456789'), /^[a-z0-9][a-z0-9-]{0,59}-devcontainer-01234567$/);
  }
});
