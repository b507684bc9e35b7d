import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderClientConfig } from './client-config.ts';

const base = '/home/it\'s me/50% "x"';
const paths = {
  config: `${base}/config/banger`,
  state: `${base}/state/banger`,
  data: `${base}/data/banger`,
  cache: `${base}/cache/banger`,
  runtime: '/run/user/1000/banger',
};

test('OpenSSH understands it, whatever is in the paths and whatever the user sets for all hosts', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger ssh-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const ours = join(folder, 'ours');
  const identityPath = `${base}/data/banger/ssh/id_ed25519`;
  writeFileSync(
    ours,
    renderClientConfig({ folder: `${base}/ssh`, identityPath, commandPath: '/opt/a b/banger', paths }),
  );
  const users = join(folder, 'config');
  const forAll = 'User nobody\n  StrictHostKeyChecking no\n  ForwardAgent yes\n  ProxyCommand false\n';
  writeFileSync(users, `Include "${ours}"\nHost *\n  ${forAll}`);

  const seen = optionsOf(users, 'WEB.vm');
  assert.equal(seen.user, 'root');
  assert.equal(seen.stricthostkeychecking, 'true');
  assert.equal(seen.forwardagent, 'no');
  assert.equal(seen.userknownhostsfile, `${base}/ssh/known_hosts/web.vm`);
  assert.equal(seen.identityfile?.replaceAll('%%', '%'), identityPath);
  assert.equal(optionsOf(users, 'elsewhere').user, 'nobody');
});

test('the command to reach a vm names the folders, and is one that a shell takes apart right', () => {
  const text = renderClientConfig({ folder: '/f', identityPath: '/i', commandPath: '/opt/a b/banger', paths });
  const line = /ProxyCommand (.*)/.exec(text)?.[1]?.replaceAll('%%', '%').replace('%h', 'web.vm') ?? '';
  const words = execFileSync('sh', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' })
    .trimEnd()
    .split('\n');
  assert.deepEqual(words, [
    'env',
    'XDG_RUNTIME_DIR=/run/user/1000',
    `XDG_CONFIG_HOME=${base}/config`,
    `XDG_STATE_HOME=${base}/state`,
    `XDG_DATA_HOME=${base}/data`,
    `XDG_CACHE_HOME=${base}/cache`,
    '/opt/a b/banger',
    'vm',
    'proxy',
    '--quiet',
    'web.vm',
  ]);
});

test('a terminal that a vm may not know is told as one that it does', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger ssh-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'config');
  writeFileSync(config, renderClientConfig({ folder, identityPath: '/i', commandPath: '/banger', paths }));
  const told = (TERM: string, host = 'web.vm') => optionsOf(config, host, { TERM }).setenv;
  for (const TERM of ['xterm-kitty', 'xterm-ghostty', 'alacritty', 'wezterm', 'foot', 'x; echo']) {
    assert.equal(told(TERM), 'TERM=xterm-256color', TERM);
  }
  for (const TERM of ['xterm-256color', 'tmux-256color', 'screen', 'linux']) assert.equal(told(TERM), undefined, TERM);
  assert.equal(told('xterm-kitty', 'elsewhere'), undefined);
});

function optionsOf(config: string, host: string, env: Record<string, string> = {}): Record<string, string> {
  const options = { encoding: 'utf8', env: { ...process.env, ...env } } as const;
  const lines = execFileSync('ssh', ['-T', '-F', config, '-G', host], options).trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.split(' ', 1)[0], line.slice(line.indexOf(' ') + 1)]));
}
