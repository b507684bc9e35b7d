/** Story: an image of a registry is named, and runs: fetched, merged, booted, with what it says of running it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { createHome } from '../support/banger-home.ts';
import { writeBusyboxTarball } from '../support/busybox-image.ts';
import { digestOf, gzipLayer, startRegistry } from '../support/registry.ts';

test('an image of a registry', async (t) => {
  const registry = await startRegistry(t);
  const home = await createHome(t, {
    env: { REGISTRY_AUTH_FILE: registry.authFile, SSL_CERT_FILE: registry.certificate },
  });
  const tarball = join(home.folder, 'busybox.tar');
  await writeBusyboxTarball(tarball);
  const tars = [
    await readFile(tarball),
    sampleTar(
      { name: 'srv/', type: '5' },
      { name: 'srv/text', content: 'a layer above\n', mode: 0o644 },
      { name: 'etc/.wh.group' },
    ),
  ];
  await registry.putImage('org/app', '1', {
    layers: tars.map(gzipLayer),
    config: {
      ...{ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: tars.map(digestOf) } },
      config: {
        ...{ Env: ['PATH=/bin', 'GREETING=hello'], User: 'mia', WorkingDir: '/srv' },
        ...{ Entrypoint: ['sh', '-c'], Cmd: ['echo $GREETING from $PWD; id -un; cat text; ls /etc'] },
      },
    },
  });
  const name = `${registry.host}/org/app:1`;

  await t.test('its own command runs, as it says, on what its layers make together', async () => {
    const small = ['--memory', '128M', '--disk-size', '256M'];
    const { code, stdout, stderr } = await home.run(['vm', 'run', '--name', 'app', '--image', name, ...small]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^hello from \/srv\nmia\na layer above\n/);
    assert.ok(stdout.includes('\npasswd\n') && !stdout.includes('\ngroup\n'), stdout);
    assert.match(stderr, new RegExp(`^image: ${name}, from ${registry.host}/org/app$`, 'm'));
  });

  await t.test('the machine stays, knows its image, and runs other commands', async () => {
    assert.equal((await home.run(['vm', 'exec', 'app', '--', 'uname', '-s'])).stdout, 'Linux\n');
    assert.equal((await home.json<Vm>(['vm', 'show', 'app'])).image.name, name);
    await home.json(['vm', 'rm', '--force', 'app']);
    assert.deepEqual(await home.leftovers(), []);
  });
});
