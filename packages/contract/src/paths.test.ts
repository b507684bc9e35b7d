import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bangerPaths, checkSocketPath, daemonSocketPath } from './paths.ts';

const parts = { env: {}, uid: 1000, home: '/home/ada', ownerOf: () => null };

test('every folder follows its XDG variable', () => {
  const env = {
    XDG_CONFIG_HOME: '/x/config',
    XDG_STATE_HOME: '/x/state/',
    XDG_DATA_HOME: '/x/data',
    XDG_CACHE_HOME: '/x/cache',
    XDG_RUNTIME_DIR: '/x/run',
  };
  assert.deepEqual(bangerPaths({ ...parts, env }), {
    config: '/x/config/banger',
    state: '/x/state/banger',
    data: '/x/data/banger',
    cache: '/x/cache/banger',
    runtime: '/x/run/banger',
  });
});

test('without variables the folders are those of the specification', () => {
  assert.deepEqual(bangerPaths(parts), {
    config: '/home/ada/.config/banger',
    state: '/home/ada/.local/state/banger',
    data: '/home/ada/.local/share/banger',
    cache: '/home/ada/.cache/banger',
    runtime: '/home/ada/.local/state/banger/run',
  });
});

test('a relative or empty variable is ignored', () => {
  const env = { XDG_STATE_HOME: 'state', XDG_RUNTIME_DIR: '' };
  assert.equal(bangerPaths({ ...parts, env }).state, '/home/ada/.local/state/banger');
  assert.equal(bangerPaths({ ...parts, env }).runtime, '/home/ada/.local/state/banger/run');
});

test("without XDG_RUNTIME_DIR the user's own /run/user folder is used when it is there", () => {
  const ownerOf = (path: string) => (path === '/run/user/1000' ? 1000 : null);
  assert.equal(daemonSocketPath(bangerPaths({ ...parts, ownerOf })), '/run/user/1000/banger/daemon.sock');
});

test("after su the other user's XDG_RUNTIME_DIR is not used", () => {
  const env = { XDG_RUNTIME_DIR: '/run/user/7' };
  const ownerOf = (path: string) => (path === '/run/user/7' ? 7 : null);
  assert.equal(bangerPaths({ ...parts, env, ownerOf }).runtime, '/home/ada/.local/state/banger/run');
});

test('a home that is empty or relative is refused', () => {
  for (const home of ['', 'ada', './ada'])
    assert.throws(() => bangerPaths({ ...parts, home }), { code: 'HOME_INVALID' }, home);
});

test('a path that a config of OpenSSH or a log cannot hold, or that is not UTF-8, is refused', () => {
  for (const path of ['/x\ny', '/x\ty', '/\x1b[2J', '/x\x7f', '/\ufffd']) {
    assert.throws(() => bangerPaths({ ...parts, home: path }), { code: 'HOME_INVALID', message: /in it\.$/ });
    for (const name of ['CONFIG_HOME', 'STATE_HOME', 'DATA_HOME', 'CACHE_HOME', 'RUNTIME_DIR']) {
      const env = { [`XDG_${name}`]: path };
      assert.throws(() => bangerPaths({ ...parts, env }), { code: 'FOLDER_UNUSABLE', message: /^XDG_.* in it: / });
    }
  }
  assert.equal(bangerPaths({ ...parts, env: { XDG_STATE_HOME: '/ä "$x`\'%h' } }).state, '/ä "$x`\'%h/banger');
});

test('a socket path that the kernel would refuse is refused with the reason', () => {
  assert.equal(checkSocketPath(`/${'a'.repeat(106)}`).length, 107);
  assert.throws(() => checkSocketPath(`/${'a'.repeat(107)}`), { code: 'PATH_TOO_LONG' });
  assert.throws(() => checkSocketPath(`/${'ä'.repeat(60)}`), { code: 'PATH_TOO_LONG' });
});
