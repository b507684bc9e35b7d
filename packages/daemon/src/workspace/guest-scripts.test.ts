import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { guestScripts } from './guest-scripts.ts';

const settings = { config: '', attributes: '', ownAttributes: '' };
const unpacking = { is: 'new', base: null, tree: 't', differs: false, branch: '', format: 'sha1', shallow: [] };
const scripts = {
  probe: guestScripts.probe('/x', 'dev', 'x'),
  empty: guestScripts.empty('/x', '0'),
  owner: guestScripts.owner('/x'),
  give: guestScripts.give('/x', '1000'),
  snapshot: guestScripts.snapshot('export', null, 't', 'm'),
  unpack: guestScripts.unpack({ ...unpacking, history: 'full', host: 'x', settings } as never),
};

for (const [name, [, , script]] of Object.entries(scripts)) {
  test(`shellcheck finds nothing in what the guest runs to ${name}`, () => {
    const { status, stdout, error } = spawnSync('shellcheck', ['--shell=sh', '-'], { input: script, encoding: 'utf8' });
    assert.ifError(error);
    assert.deepEqual([status, stdout], [0, '']);
  });
}
