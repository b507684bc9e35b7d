import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createConfig } from './config.ts';

test('the file is read again when it has changed, and only then', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'config.toml');
  const config = createConfig({ folder, home: '/home/mia' });

  const absent = await config.read();
  assert.deepEqual([absent.isThere, absent.sshKey, absent.fileSync], [false, null, []]);

  writeFileSync(path, '[vm_defaults]\ncpus = 2\n');
  const first = await config.read();
  assert.equal(first.vmDefaults.cpus, 2);
  assert.equal(await config.read(), first, 'not parsed again');

  writeFileSync(path, '[vm_defaults]\ncpus = many\n');
  await assert.rejects(config.read(), { code: 'CONFIG_INVALID' });
  await assert.rejects(config.read(), { code: 'CONFIG_INVALID' });

  rmSync(path);
  assert.equal((await config.read()).isThere, false);
});

test('what is no ordinary file is refused at once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'banger-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'config.toml');
  const config = createConfig({ folder, home: '/home/mia' });
  execFileSync('mkfifo', [path]);
  await assert.rejects(config.read(), { code: 'CONFIG_INVALID', message: /not a file/ });
  rmSync(path);
  writeFileSync(path, '#'.repeat(70_000));
  await assert.rejects(config.read(), { code: 'CONFIG_INVALID', message: /larger than 64 KiB/ });
});
