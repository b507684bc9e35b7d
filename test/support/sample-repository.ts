/** A git repository of the owner's, in a folder of the test's own. Everything here is as a user would have it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export function createRepository(path: string, options: { isEmpty?: boolean } = {}) {
  mkdirSync(path, { recursive: true });
  git('init', '--quiet', '--initial-branch=trunk');
  git('config', 'user.name', 'Mia');
  git('config', 'user.email', 'mia@example.org');
  if (!options.isEmpty) {
    write('Makefile', 'test:\n\t@echo tested; exit 3\n');
    write('.gitignore', 'build/\n*.secret\n');
    write('src/a file.txt', 'one\n');
    write('tool.sh', '#!/bin/sh\necho tool\n');
    chmodSync(join(path, 'tool.sh'), 0o755);
    symlinkSync('tool.sh', join(path, 'link'));
    commit('first');
    write('src/a file.txt', 'one\ntwo\n');
    commit('second');
  }
  return { path, git, write, read, commit, state };

  function git(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync('git', args, { cwd: path, encoding: 'utf8', env: ENV });
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  }

  function write(name: string, content: string | Buffer): void {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }

  function read(name: string): string {
    return readFileSync(join(path, name), 'utf8');
  }

  function commit(message: string): string {
    git('add', '--all');
    git('commit', '--quiet', '-m', message);
    return git('rev-parse', 'HEAD');
  }

  /** What an export must not touch: files, index, HEAD, config, and the branches that were there. */
  function state() {
    const index = join(path, '.git/index');
    return {
      status: git('status', '--porcelain=v2', '--branch'),
      index: readFileSync(index).toString('base64'),
      indexTime: statSync(index).mtimeMs,
      config: read('.git/config'),
      head: read('.git/HEAD'),
    };
  }
}

const ENV = {
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_CONFIG_COUNT: '2',
  GIT_CONFIG_KEY_0: 'protocol.file.allow',
  GIT_CONFIG_VALUE_0: 'always',
  // git would clean up in the background, while the end of the test removes the folder
  GIT_CONFIG_KEY_1: 'gc.auto',
  GIT_CONFIG_VALUE_1: '0',
};
