/** Story: an image keeps what its tarball says of every file, also where the host's user has no right to make such files. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createHome } from '../support/banger-home.ts';
import { fileEntry, readBusybox, sampleEntry, writeBusyboxTarball } from '../support/busybox-image.ts';

/** Prints an extended attribute of a file as hex; busybox has no command for that. */
const READ_ATTRIBUTE = `
#include <stdio.h>
#include <sys/xattr.h>
int main(int count, char **words) {
  unsigned char value[4096];
  ssize_t length = count == 3 ? lgetxattr(words[1], words[2], value, sizeof value) : -1;
  if (length < 0) return perror("lgetxattr"), 1;
  for (ssize_t at = 0; at < length; at++) printf("%02x", value[at]);
  return puts(""), 0;
}`;

/** struct vfs_cap_data, revision 2: permitted CAP_CHOWN (bit 0), effective at once */
const CAP_CHOWN = Buffer.from('0100000201000000000000000000000000000000', 'hex');

test('an imported image keeps the attributes of its files', async (t) => {
  const home = await createHome(t);
  const source = join(home.folder, 'read-attribute.c');
  const tool = join(home.folder, 'read-attribute');
  await writeFile(source, READ_ATTRIBUTE);
  execFileSync('gcc', ['-static', '-O', '-o', tool, source]);
  const longName = `opt/${'long-name-'.repeat(9)}`;
  const tarball = join(home.folder, 'attributes.tar');
  await writeBusyboxTarball(tarball, [
    sampleEntry({ name: 'opt/', type: '5', mode: 0o1770, uid: 12, gid: 34 }),
    sampleEntry({ name: 'opt/owned', mode: 0o640, uid: 1234, gid: 100_000, content: 'owned\n' }),
    sampleEntry({ name: 'opt/setuid', mode: 0o4755, content: 'a\n' }),
    sampleEntry({ name: 'opt/setgid', mode: 0o2711, gid: 8, content: 'b\n' }),
    sampleEntry({ name: 'opt/null', type: '3', mode: 0o666, device: [1, 3] }),
    sampleEntry({ name: 'opt/disk', type: '4', mode: 0o660, gid: 6, device: [254, 17] }),
    sampleEntry({ name: 'opt/pipe', type: '6', mode: 0o600 }),
    sampleEntry({ name: 'opt/hard', type: '1', linkName: 'opt/owned' }),
    sampleEntry({ name: 'opt/link', type: '2', linkName: '/no/such/file' }),
    sampleEntry({ name: longName, attributes: { 'user.colour': Buffer.from('blue\0\n=', 'latin1') } }),
    fileEntry('opt/chown', await readBusybox(), { attributes: { 'security.capability': CAP_CHOWN } }),
    fileEntry('opt/read-attribute', await readFile(tool)),
  ]);
  await home.json(['image', 'import', 'attributes', tarball]);
  const size = ['--image', 'attributes', '--memory', '128M', '--disk-size', '256M'];
  await home.json(['vm', 'create', '--name', 'tiny', ...size, '--start']);
  const inside = async (script: string, user = 'root') => {
    const output = await home.run(['vm', 'exec', '--user', user, 'tiny', '--', 'sh', '-c', script]);
    assert.equal(output.code, 0, output.stderr);
    return output.stdout;
  };

  await t.test('owners, modes, kinds, device numbers and links', async () => {
    const files = 'opt opt/owned opt/setuid opt/setgid opt/null opt/disk opt/pipe opt/link';
    const listing = await inside(`cd /; for file in ${files}; do stat -c '%n %F %a %u %g %t:%T' $file; done`);
    assert.deepEqual(listing.trim().split('\n'), [
      'opt directory 1770 12 34 0:0',
      'opt/owned regular file 640 1234 100000 0:0',
      'opt/setuid regular file 4755 0 0 0:0',
      'opt/setgid regular file 2711 0 8 0:0',
      'opt/null character special file 666 0 0 1:3',
      'opt/disk block special file 660 0 6 fe:11',
      'opt/pipe fifo 600 0 0 0:0',
      'opt/link symbolic link 777 0 0 0:0',
    ]);
    assert.equal(
      await inside('cat /opt/hard; stat -c %h /opt/hard; stat -c %N /opt/link'),
      "owned\n2\n'/opt/link' -> '/no/such/file'\n",
    );
    assert.equal(await inside('echo gone >/opt/null; cat /opt/null; stat -c %s /opt/null'), '0\n');
  });

  await t.test('extended attributes, byte for byte', async () => {
    const value = await inside(`/opt/read-attribute /${longName} user.colour`);
    assert.equal(value, `${Buffer.from('blue\0\n=', 'latin1').toString('hex')}\n`);
  });

  await t.test('file capabilities, and they count', async () => {
    const value = await inside('/opt/read-attribute /opt/chown security.capability');
    assert.equal(value, `${CAP_CHOWN.toString('hex')}\n`);
    await inside('chmod 755 /opt; echo mine >/tmp/file');
    await inside('/opt/chown mia /tmp/file', 'mia');
    assert.equal(await inside('stat -c %U /tmp/file'), 'mia\n');
  });

  await t.test('they are still there when the file has been written to', async () => {
    await inside(`chmod 755 /${longName}; echo more >>/${longName}; sync`);
    await home.json(['vm', 'restart', '--timeout', '10', 'tiny']);
    const value = await inside(`/opt/read-attribute /${longName} user.colour; cat /${longName}`);
    assert.equal(value, `${Buffer.from('blue\0\n=', 'latin1').toString('hex')}\nmore\n`);
  });
});
