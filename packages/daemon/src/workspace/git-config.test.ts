import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Task } from '../platform/task.ts';
import { findRepository } from './find-repository.ts';
import { createGit } from './git.ts';
import { type ConfigEntry, fileSettings, parseConfig } from './git-config.ts';
import { ENV, runGit } from './hostile-guest-suite.ts';

const OWNER = { home: '/home/mia', configFolder: '/home/mia/.config' };
const settings = (...entries: [scope: string, key: string, value: string][]) =>
  fileSettings(
    entries.map(([scope, key, value]): ConfigEntry => ({ scope, key, value })),
    '/src/project',
    OWNER,
  );

test('a listing of git is read as it is, a key alone as yes', () => {
  const listing = 'global\0core.autocrlf\ninput\0local\0core.bare\0local\0core.worktree\n/a\nb\0';
  assert.deepEqual(parseConfig(listing), [
    { scope: 'global', key: 'core.autocrlf', value: 'input' },
    { scope: 'local', key: 'core.bare', value: 'true' },
    { scope: 'local', key: 'core.worktree', value: '/a\nb' },
  ]);
});

test('the last value of a switch counts, and only one that git knows', () => {
  const { switches } = settings(
    ['system', 'core.autocrlf', 'true'],
    ['local', 'core.autocrlf', 'Input'],
    ['global', 'core.eol', 'crlf\n[core]'],
  );
  assert.deepEqual(switches, { 'core.autocrlf': 'input' });
});

test('files of patterns are those of the owner, and of the repository only below its top', () => {
  assert.deepEqual(settings().ignoreFiles, ['/home/mia/.config/git/ignore']);
  assert.deepEqual(settings(['global', 'core.excludesfile', '~/ignored']).ignoreFiles, ['/home/mia/ignored']);
  const reaching = settings(
    ['global', 'core.attributesfile', '/etc/mine'],
    ['local', 'core.attributesfile', '/home/mia/.ssh/id_ed25519'],
    ['local', 'core.excludesfile', '../../home/mia/.ssh/id_ed25519'],
  );
  assert.deepEqual(reaching.attributeFiles, ['/etc/gitattributes', '/etc/mine']);
  assert.deepEqual(reaching.ignoreFiles, ['/home/mia/.config/git/ignore']);
  assert.deepEqual(settings(['local', 'core.excludesfile', 'ignored']).ignoreFiles[1], '/src/project/ignored');
});

test('system, user, and what they include for this repository are asked', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, 'repo'));
  runGit(join(folder, 'repo'), ['init', '-q']);
  write('system', '[core]\n\tautocrlf = true\n\tfileMode = true\n');
  write('.gitconfig', `[includeIf "gitdir:${folder}/repo/"]\n\tpath = work\n`);
  write('work', '[core]\n\teol = lf\n');
  runGit(join(folder, 'repo'), ['config', 'core.fileMode', 'false']);
  const ownerEnv = { PATH: ENV.PATH, HOME: folder, GIT_CONFIG_SYSTEM: join(folder, 'system') };
  const { settings: found } = await findRepository(Task.background(), createGit({ ownerEnv }), join(folder, 'repo'));
  assert.deepEqual(found.switches, { 'core.autocrlf': 'true', 'core.fileMode': 'false', 'core.eol': 'lf' });
});
