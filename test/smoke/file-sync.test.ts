/** Story: my settings are in every machine. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createHome } from '../support/banger-home.ts';

test('files of the home are in the machine before its first command, with root as their owner', async (t) => {
  const home = await createHome(t);
  const own = join(home.folder, 'home');
  await mkdir(join(own, 'tools/deep'), { recursive: true });
  await writeFile(join(own, '.gitconfig'), '[user]\nname = Mia Example\n', { mode: 0o644 });
  await writeFile(join(own, 'tools/deep/hello'), '#!/bin/sh\necho hello from home\n', { mode: 0o755 });
  await writeFile(Buffer.concat([Buffer.from(join(own, 'tools/odd')), Buffer.of(0xff)]), 'odd\n');
  await home.writeConfig(
    `[vm_defaults]
     memory = "512M"
     [[file_sync]]
     from = "~/.gitconfig"
     to = "~/.gitconfig"
     mode = "0600"
     [[file_sync]]
     from = "~/tools"
     to = "/opt/own/tools"`,
  );
  const script =
    'git config user.name; stat -c "%a %U" .gitconfig; /opt/own/tools/deep/hello; stat -c "%a %U" /opt/own; cat /opt/own/tools/odd$(printf "\\377")';
  const { code, stdout, stderr } = await home.run(['vm', 'run', '--rm', '--', 'sh', '-c', script]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'Mia Example\n600 root\nhello from home\n755 root\nodd\n');
  assert.match(stderr, /spec: \d vcpu · 512 MiB/);
});
