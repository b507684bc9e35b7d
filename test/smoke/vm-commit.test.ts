/** Story: I set up a machine by hand, and make an image of it that others may have. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Image } from '@banger/contract/api/images.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { createHome } from '../support/banger-home.ts';
import { createRepository } from '../support/sample-repository.ts';

const CANARY = 'canary-word';
const PROXY = `http://mia:${CANARY}@proxy.example:3128`;

/** Sets an extended attribute, or prints it as hex; the image has no command for that. */
const ATTRIBUTE = `
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
int main(int count, char **words) {
  unsigned char value[4096];
  if (count == 4) {
    size_t length = strlen(words[3]) / 2;
    for (size_t at = 0; at < length; at++) sscanf(words[3] + 2 * at, "%2hhx", &value[at]);
    return lsetxattr(words[1], words[2], value, length, 0) ? perror("lsetxattr"), 1 : 0;
  }
  ssize_t length = lgetxattr(words[1], words[2], value, sizeof value);
  if (length < 0) return perror("lgetxattr"), 1;
  for (ssize_t at = 0; at < length; at++) printf("%02x", value[at]);
  return puts(""), 0;
}`;
/** struct vfs_cap_data, revision 2: permitted CAP_CHOWN (bit 0), effective at once */
const CAP_CHOWN = '0100000201000000000000000000000000000000';

/** What a machine may do to the files of its image and to those of its own */
const CHANGES = `
set -eu
cd /opt
rm /etc/issue
rm -r /usr/share/doc/git && mkdir /usr/share/doc/git && echo new >/usr/share/doc/git/new
mv /usr/share/bash-completion /usr/share/moved
echo more >>/etc/profile
mkdir own && cd own
echo one >first && ln first second && ln -s first soft && mkfifo pipe && mknod device c 5 1
truncate -s 64M holes && echo end >>holes
echo setuid >setuid && chown 1234:100000 setuid && chmod 4755 setuid
touch -d '2001-02-03 04:05:06 UTC' first
mkdir -m 1777 open; touch "$(printf 'odd\\377')" "$(printf 'n%.0s' $(seq 200))"
cp /usr/bin/chown chown && ../attribute chown security.capability ${CAP_CHOWN}
../attribute open user.note 6b657074
mkdir -m 700 /root/.config && echo mine >/root/.config/notes && touch -d '2002-02-02 UTC' /root/.config/notes
echo volume >/var/lib/docker/volume
for name in ssh_host_rsa_key ssh_host_ed25519_key; do echo ${CANARY} >/etc/ssh/$name; done
sync`;

/** All but what each machine has for itself */
const LIST = `
cd /
find opt usr root etc -xdev ! -path 'usr/lib/modules*' \\( -type d -printf '%p|%y|%m|%U|%G|%T@|\\n' -o -printf '%p|%y|%m|%U|%G|%T@|%n|%l|%s\\n' \\)
find opt root -xdev -type f -exec cksum {} +`;

const APART = [
  /^(?:etc|root|etc\/ssh|etc\/ssl\/certs|usr\/local\/share\/ca-certificates)\|/,
  /^etc\/(?:hostname|hosts|machine-id|resolv\.conf|environment|ssl\/certs\/ca-certificates\.crt)\|/,
  /^etc\/ssh\/(?:ssh_host_|banger_)/,
  /banger-host|root\/project|root\/\.token/,
];

/** Of the files that the machines have in common; times to the second, which is what an image keeps */
function shared(listing: string): string[] {
  const lines = listing.replaceAll(/\|(-?\d+)\.\d+\|/g, '|$1|').split('\n');
  return lines.filter((line) => !APART.some((each) => each.test(line))).sort();
}

test('an image of a machine', async (t) => {
  const home = await createHome(t, { env: { HTTP_PROXY: PROXY } });
  home.env.BANGER_HOST_ROOT = join(home.folder, 'host');
  const certificates = join(home.env.BANGER_HOST_ROOT, 'usr/local/share/ca-certificates');
  await mkdir(certificates, { recursive: true });
  const certificate = join(certificates, 'company.crt');
  const making = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=company'.split(' ');
  execFileSync('openssl', ['req', ...making, '-keyout', '/dev/null', '-out', certificate], { stdio: 'ignore' });
  const [, keyLine = ''] = (await readFile(certificate, 'utf8')).split('\n');
  await writeFile(join(home.folder, 'home/.token'), CANARY);
  await home.writeConfig(`
    [vm_defaults]
    memory = "512M"
    [inside]
    proxy = true
    ca_certificates = true
    [[file_sync]]
    from = "~/.token"
    to = "/root/.token"`);
  const source = join(home.folder, 'attribute.c');
  await writeFile(source, ATTRIBUTE);
  execFileSync('gcc', ['-static', '-O', '-o', join(home.folder, 'attribute'), source]);
  const repository = createRepository(join(home.folder, 'project'));
  repository.write('password', CANARY);
  repository.commit('a secret');
  const inside = async (vm: string, script: string) => {
    const output = await home.run(['vm', 'exec', vm, '--', 'sh', '-c', script]);
    assert.equal(output.code, 0, output.stderr);
    return output.stdout;
  };
  const trusted = (vm: string) => inside(vm, 'cat /etc/ssl/certs/ca-certificates.crt');
  const identityOf = (vm: string) => inside(vm, 'cat /etc/machine-id /proc/sys/kernel/hostname');

  await home.json(['vm', 'create', '--name', 'old', '--start']);
  await home.json(['vm', 'cp', join(home.folder, 'attribute'), 'old:/opt/']);
  await inside('old', CHANGES);
  await home.json(['vm', 'workspace', 'import', 'old', repository.path]);
  const ssh = await home.run(['vm', 'ssh', 'old', '--', 'true']);
  assert.equal(ssh.code, 0, ssh.stderr);
  // The link leads to the synced file, which has another name there besides.
  await inside('old', 'mv /root/.token /srv/token; ln -s /srv/token /root/.token; ln /srv/token /srv/again');
  assert.ok((await trusted('old')).includes(keyLine));
  const before = shared(await inside('old', LIST));
  const identity = await identityOf('old');
  await home.json(['vm', 'stop', 'old']);
  const made = await home.json<Image>(['vm', 'commit', 'old', 'tools']);
  await home.writeConfig('[vm_defaults]\nmemory = "512M"\n');
  await home.json(['vm', 'create', '--name', 'new', '--image', 'tools', '--start']);

  await t.test('the new machine has the files of the old one, to the letter', async () => {
    const listing = await inside('new', LIST);
    assert.deepEqual(shared(listing), before);
    assert.ok(before.length > 1000, `${before.length} files were compared`);
    for (const [name, isThere] of [
      ['etc/issue', false],
      ['usr/share/bash-completion', false],
      ['usr/share/moved', true],
      ['usr/share/doc/git/new', true],
    ] as const) {
      assert.equal(listing.includes(`\n${name}|`), isThere, name);
    }
    const own = `cd /opt/own; stat -c '%t:%T' device; test first -ef second && echo linked; stat -c %b holes
      ../attribute chown security.capability; ../attribute open user.note`;
    const [device, links, blocks, ...attributes] = (await inside('new', own)).trim().split('\n');
    assert.deepEqual([device, links, attributes], ['5:1', 'linked', [CAP_CHOWN, '6b657074']]);
    assert.ok(Number(blocks) < 4096, `64 MiB with holes take ${blocks} blocks`);
    const listed = await inside('new', 'ls -A /usr/share/doc/git /var/lib/docker');
    assert.equal(listed, '/usr/share/doc/git:\nnew\n\n/var/lib/docker:\n');
  });

  await t.test('nothing of the old machine’s identity or of what was brought in is there', async () => {
    const found = await inside('new', `grep -rlsF '${CANARY}' /etc /root /home /opt /srv /usr/local /var || true`);
    assert.equal(found, '');
    const names = ['banger*', '.token', 'token', 'again', 'project'].map((name) => `-name '${name}'`).join(' -o ');
    assert.equal(await inside('new', `find / /root -xdev -path /usr/share -prune -o \\( ${names} \\) -print`), '');
    assert.ok(!(await trusted('new')).includes(keyLine));
    const [oldId, newId] = [identity, await identityOf('new')].map((words) => words.split('\n')[0]);
    assert.notEqual(oldId, newId);
    assert.match(await identityOf('new'), /\nnew\n$/);
    assert.equal(await inside('new', 'grep banger /etc/hosts'), '127.0.1.1 new # banger\n');
  });

  await t.test('the old machine starts again as it was', async () => {
    await home.json(['vm', 'stop', 'new']);
    await home.json(['vm', 'start', 'old']);
    const { image } = await home.json<Vm>(['vm', 'show', 'old']);
    assert.notEqual(image.digest, made.digest);
    assert.equal(await identityOf('old'), identity);
    assert.equal(await inside('old', 'cat /var/lib/docker/volume'), 'volume\n');
  });
});
