/** Files of the owner's home in every vm that starts. */
import assert from 'node:assert/strict';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFakeHome } from '../support/fake-home.ts';

test('files come in at each start, and a wrong entry stops a start and leaves nothing', async (t) => {
  const home = await createFakeHome(t);
  const own = join(home.folder, 'home');
  await writeFile(join(own, '.gitconfig'), '[user]\nname = Mia\n');
  await home.writeConfig(`
    [[file_sync]]
    from = "~/.gitconfig"
    to = "/root/.config/git/config"
    mode = "0600"
    [[file_sync]]
    from = "~/.not-there"
    to = "~/.not-there"
  `);
  await home.json(['vm', 'create', '--name', 'web']);
  const { stderr } = await home.run(['vm', 'start', 'web']);
  assert.match(stderr, /\.not-there is not there, so it is not copied/);
  const script = 'cat .config/git/config; stat -c %a .config/git/config; ls -A';
  const read = () => home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script]);
  assert.equal((await read()).stdout, '[user]\nname = Mia\n600\n.config\n');

  await writeFile(join(own, '.gitconfig'), '[user]\nname = Ada\n');
  await home.json(['vm', 'restart', 'web']);
  assert.match((await read()).stdout, /Ada/);

  await home.json(['vm', 'stop', 'web']);
  await symlink('/etc/shadow', join(own, 'link'));
  await home.writeConfig('[[file_sync]]\nfrom = "~/link"\nto = "/root/link"\n');
  const refused = await home.run(['vm', 'start', 'web']);
  assert.equal(refused.code, 65);
  assert.match(refused.stderr, /links to \/etc\/shadow, which is not in your home.*FILE_SYNC_REFUSED/);
  await home.writeConfig('[[file_sync]]\nfrom = "/etc/passwd"\nto = "/root/passwd"\n');
  assert.match((await home.run(['vm', 'start', 'web'])).stderr, /not in your home/);
  await home.writeConfig('[[file_sync]]\nfrom = 3\nto = "/a"\n');
  assert.match((await home.run(['vm', 'start', 'web'])).stderr, /line 2.*CONFIG_INVALID/);

  const run = await home.run(['vm', 'run', '--rm', '--', 'true']);
  assert.match(run.stderr, /CONFIG_INVALID/);
  await home.writeConfig('');
  await home.json(['vm', 'start', 'web']);
});
