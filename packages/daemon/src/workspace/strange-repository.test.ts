/** A repository that a stranger made, unpacked beside what is the owner's: none of that may go into a guest. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Task } from '../platform/task.ts';
import { findRepository } from './find-repository.ts';
import { createGit } from './git.ts';
import { ENV, runGit, WHO } from './hostile-guest-suite.ts';
import { makeLens } from './lens.ts';
import { snapshotRepository } from './snapshot-repository.ts';

const task = Task.background();

/** `secret` is a repository of the owner's and `stranger` what was unpacked; both have one commit of one file. */
function setUp(t: TestContext) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'banger-stranger-')));
  t.after(() => rmSync(folder, { recursive: true }));
  const home = join(folder, 'home');
  mkdirSync(home);
  const env = { ...ENV, HOME: home };
  const [secret, stranger] = ['secret', 'stranger'].map((name) => {
    const path = join(folder, name);
    mkdirSync(path);
    runGit(path, ['init', '-q', '-b', 'main']);
    writeFileSync(join(path, name), `${name}\n`);
    runGit(path, ['add', '-A']);
    runGit(path, [...WHO, 'commit', '-q', '-m', name]);
    return path;
  }) as [string, string];
  return { folder, home, secret, stranger, dotGit: join(stranger, '.git'), find, travels };

  function find(path: string, options: { uid?: number } = {}) {
    return findRepository(task, createGit({ ownerEnv: env, ...options }), path);
  }

  /** The names that would go in. */
  async function travels(path: string): Promise<string[]> {
    const git = createGit({ ownerEnv: env });
    const repository = await findRepository(task, git, path);
    const lens = await makeLens(repository, mkdtempSync(join(folder, 'lens-')));
    const options = { includeUntracked: true, skipSubmodules: true };
    const { entries } = await snapshotRepository(task, git, repository, lens, options);
    return entries.map(({ name }) => name);
  }
}

type Layout = ReturnType<typeof setUp>;

/** A tracked folder that is a bare repository, as any clone may bring it */
function embedBare({ stranger, dotGit }: Layout): string {
  const bare = join(stranger, 'vendor/lib');
  cpSync(dotGit, bare, { recursive: true });
  return bare;
}

const REACHING: Record<string, (layout: Layout) => unknown> = {
  'a bare repository in a folder, whose config has core.worktree': (layout) => {
    const bare = embedBare(layout);
    runGit(layout.folder, ['config', '--file', join(bare, 'config'), 'core.worktree', layout.secret]);
    return bare;
  },
  'a config with core.worktree': ({ stranger, secret }) => runGit(stranger, ['config', 'core.worktree', secret]),
  'a config with a relative core.worktree': ({ stranger }) =>
    void runGit(stranger, ['config', 'core.worktree', '../../secret']),
  'a config that includes one with core.worktree': ({ stranger, secret, dotGit }) => {
    writeFileSync(join(dotGit, 'more'), `[core]\n\tworktree = ${secret}\n`);
    runGit(stranger, ['config', 'include.path', 'more']);
  },
  'a config of the work tree with core.worktree': ({ stranger, secret }) => {
    runGit(stranger, ['config', 'extensions.worktreeConfig', 'true']);
    runGit(stranger, ['config', '--worktree', 'core.worktree', secret]);
  },
  'a .git file that names another repository': ({ dotGit, secret }) => {
    rmSync(dotGit, { recursive: true });
    writeFileSync(dotGit, `gitdir: ${secret}/.git\n`);
  },
  'a .git that is a link': ({ dotGit, secret }) => {
    rmSync(dotGit, { recursive: true });
    symlinkSync(join(secret, '.git'), dotGit);
  },
  'a commondir': ({ dotGit }) => writeFileSync(join(dotGit, 'commondir'), '../../secret/.git\n'),
  'a worktree that its main repository does not know': ({ dotGit, secret }) => {
    renameSync(dotGit, `${dotGit}-real`);
    writeFileSync(dotGit, 'gitdir: .git-real\n');
    writeFileSync(join(`${dotGit}-real`, 'commondir'), `${secret}/.git\n`);
    writeFileSync(join(`${dotGit}-real`, 'gitdir'), `${dotGit}\n`);
  },
  "a worktree of another's place in the main repository": ({ folder, dotGit, secret }) => {
    runGit(secret, ['worktree', 'add', '-q', join(folder, 'tree')]);
    rmSync(dotGit, { recursive: true });
    writeFileSync(dotGit, `gitdir: ${secret}/.git/worktrees/tree\n`);
  },
  'objects of another repository, by alternates': ({ dotGit, secret }) =>
    writeFileSync(join(dotGit, 'objects/info/alternates'), `${secret}/.git/objects\n`),
  'the same in a line that begins with a space': ({ dotGit, secret }) =>
    writeFileSync(join(dotGit, 'objects/info/alternates'), ` /../../../..${secret}/.git/objects\n`),
  'a HEAD that is a pipe': ({ dotGit }) => {
    rmSync(join(dotGit, 'HEAD'));
    execFileSync('mkfifo', [join(dotGit, 'HEAD')]);
  },
  'a pack that is a link': ({ dotGit, secret }) => {
    mkdirSync(join(dotGit, 'objects/pack'), { recursive: true });
    symlinkSync(join(secret, 'secret'), join(dotGit, 'objects/pack/pack-1.pack'));
  },
  'a .git file that is a pipe': ({ dotGit }) => {
    rmSync(dotGit, { recursive: true });
    execFileSync('mkfifo', [dotGit]);
  },
};

for (const name of ['HEAD', 'index', 'config', 'objects', 'refs', 'refs/heads', 'logs', 'info', 'objects/info']) {
  REACHING[`${name} that is a link`] = ({ dotGit, secret }) => {
    rmSync(join(dotGit, name), { recursive: true });
    symlinkSync(join(secret, '.git', name), join(dotGit, name));
  };
}
for (const name of ['packed-refs', 'shallow', 'config.worktree', 'sharedindex.1', 'info/attributes']) {
  REACHING[`${name} that is a link`] = ({ dotGit, secret }) => symlinkSync(join(secret, 'secret'), join(dotGit, name));
}

test('a repository that reaches out is not read, whichever way it points', async (t) => {
  for (const [title, make] of Object.entries(REACHING)) {
    await t.test(title, { timeout: 20_000 }, async (t) => {
      const layout = setUp(t);
      const named = make(layout);
      const path = typeof named === 'string' ? named : layout.stranger;
      const fault = await layout.find(path).then(
        () => assert.fail('it was read'),
        (reason) => reason,
      );
      assert.match(String(fault.code), /^REPO_(UNTRUSTED|INVALID)$/, String(fault));
      assert.ok(fault.hint, 'it has a way out');
    });
  }
});

test('a tracked folder that became a link travels as a link, and nothing behind it', async (t) => {
  const { stranger, secret, travels } = setUp(t);
  mkdirSync(join(stranger, 'folder'));
  writeFileSync(join(stranger, 'folder/secret'), 'mine\n');
  runGit(stranger, ['add', '-A']);
  rmSync(join(stranger, 'folder'), { recursive: true });
  symlinkSync(secret, join(stranger, 'folder'));
  assert.deepEqual(await travels(stranger), ['folder', 'stranger']);
});

test("a config cannot name files of the owner's as its patterns", async (t) => {
  const { folder, home, stranger, find } = setUp(t);
  writeFileSync(join(home, 'key'), 'PRIVATE KEY\n');
  symlinkSync(join(home, 'key'), join(stranger, 'patterns'));
  for (const [at, path] of [join(home, 'key'), '../home/key', '~/key', 'patterns'].entries()) {
    runGit(stranger, ['config', 'core.attributesFile', path]);
    runGit(stranger, ['config', 'core.excludesFile', path]);
    const lens = join(folder, `lens-${at}`);
    await makeLens(await find(stranger), lens);
    for (const name of ['attributes', 'own-attributes', 'info/attributes', 'info/exclude']) {
      assert.doesNotMatch(readFileSync(join(lens, name), 'utf8'), /KEY/, `${name} by ${path}`);
    }
  }
});

test("another user's repository is read only when safe.directory names it", async (t) => {
  const { home, stranger, find } = setUp(t);
  const other = { uid: 4_000_000 };
  await assert.rejects(find(stranger, other), { code: 'REPO_UNTRUSTED', hint: /safe\.directory/ });
  const config = join(home, '.gitconfig');
  const trust = (path: string) => runGit(home, ['config', '--file', config, '--add', 'safe.directory', path]);
  trust(stranger);
  assert.equal((await find(stranger, other)).path, stranger);
  trust('');
  await assert.rejects(find(stranger, other), { code: 'REPO_UNTRUSTED' });
  trust('*');
  assert.equal((await find(stranger, other)).path, stranger);
});

test('a repository with the newer kind of ids is read too', async (t) => {
  const { folder, travels } = setUp(t);
  const path = join(folder, 'newer');
  runGit(folder, ['init', '-q', '--object-format=sha256', path]);
  writeFileSync(join(path, 'file'), 'one\n');
  runGit(path, ['add', '-A']);
  runGit(path, [...WHO, 'commit', '-q', '-m', 'one']);
  writeFileSync(join(path, 'file'), 'two\n');
  assert.deepEqual(await travels(path), ['file']);
});

test('repositories whose parts lie apart are read when the parts belong together', async (t) => {
  const { folder, secret, stranger, dotGit, find, travels } = setUp(t);
  runGit(stranger, ['worktree', 'add', '-q', join(folder, 'tree')]);
  assert.deepEqual(await travels(join(folder, 'tree')), ['stranger']);

  runGit(secret, ['-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', stranger, 'sub']);
  assert.deepEqual(await travels(join(secret, 'sub')), ['stranger']);
  assert.equal((await find(join(secret, 'sub'))).path, join(secret, 'sub'));

  const apart = join(folder, 'apart');
  runGit(folder, ['init', '-q', `--separate-git-dir=${apart}`, stranger]);
  const words = await find(stranger).then(String, ({ hint }) => String(hint));
  execFileSync('sh', ['-c', words.replace(/^.*?: /, '')], { env: ENV });
  assert.deepEqual(await travels(stranger), ['stranger']);
  assert.equal((await find(stranger)).gitDir, apart);
  assert.ok(dotGit);
});

test('a bare repository in a folder is read when it is named, and holds nothing but itself', async (t) => {
  const layout = setUp(t);
  const bare = embedBare(layout);
  await assert.rejects(layout.find(bare), { code: 'REPO_INVALID', message: /git folder of a work tree/ });
  runGit(layout.folder, ['config', '--file', join(bare, 'config'), 'core.bare', 'true']);
  assert.deepEqual(await layout.travels(bare), ['stranger']);
  assert.equal((await layout.find(join(layout.stranger, 'vendor'))).path, layout.stranger);
});

test('the environment of whoever started the daemon names no repository', async (t) => {
  const { stranger, secret, travels } = setUp(t);
  const set: Record<string, string> = {
    GIT_DIR: join(secret, '.git'),
    GIT_WORK_TREE: secret,
    GIT_INDEX_FILE: join(secret, '.git/index'),
    GIT_OBJECT_DIRECTORY: join(secret, '.git/objects'),
    GIT_ALTERNATE_OBJECT_DIRECTORIES: join(secret, '.git/objects'),
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'core.worktree',
    GIT_CONFIG_VALUE_0: secret,
  };
  Object.assign(process.env, set);
  t.after(() => {
    for (const name of Object.keys(set)) delete process.env[name];
  });
  assert.deepEqual(await travels(stranger), ['stranger']);
});

test('what is named has to be a folder of a repository, and says what it is instead', async (t) => {
  const { folder, stranger, find } = setUp(t);
  await assert.rejects(find(join(stranger, 'stranger')), { code: 'REPO_INVALID', message: /is not a folder/ });
  await assert.rejects(find(join(stranger, 'stranger/x')), { code: 'REPO_INVALID', message: /does not exist/ });
  await assert.rejects(find(join(folder, 'gone')), { code: 'REPO_INVALID', message: /does not exist/ });
  await assert.rejects(find(folder), { code: 'REPO_INVALID', message: /not inside a git repository/ });
  await assert.rejects(find(join(stranger, '.git/refs')), { code: 'REPO_INVALID' });
  mkdirSync(join(stranger, 'deep/er'), { recursive: true });
  assert.equal((await find(join(stranger, 'deep/er'))).subfolder, 'deep/er');
});
