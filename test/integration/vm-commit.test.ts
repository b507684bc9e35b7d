/** Images of stopped machines, whose fake guest's files are a folder of the host: what is in one, and what keeps it from being made. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Image } from '@banger/contract/api/images.ts';
import type { Vm } from '@banger/contract/api/vms.ts';
import { hexOf } from '@banger/contract/digest.ts';
import { writeLayout } from '../../packages/daemon/src/images/oci/sample-layout.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { findByArgument } from '../../packages/daemon/src/platform/processes.ts';
import type { FakeFault } from '../support/fake-faults.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { createRepository } from '../support/sample-repository.ts';
import { watchOutput } from '../support/watch-output.ts';

/** In all that no image may have */
const CANARY = 'canary-word';
const PROXY = `http://mia:${CANARY}@proxy.example:3128`;
const CERTIFICATE = `-----BEGIN CERTIFICATE-----\n${CANARY}\n-----END CERTIFICATE-----\n`;

type Home = Awaited<ReturnType<typeof createFakeHome>>;

/** A vm that has been running, from an image that says how it is run */
async function createStoppedVm(t: TestContext, env: Record<string, string> = {}) {
  const home = await createFakeHome(t, env);
  const layout = join(home.folder, 'layout');
  writeLayout(layout, [
    { layers: [sampleTar({ name: 'etc/', type: '5' })], config: { Cmd: ['serve'], Env: ['MODE=image'] } },
  ]);
  const base = await home.json<Image>(['image', 'import', 'app', layout]);
  await home.json(['vm', 'create', '--name', 'web', '--image', 'app', '--disk-size', '256M', '--start']);
  const [id = ''] = readdirSync(join(home.paths.data, 'vms'));
  const root = join(home.paths.data, 'vms', id, 'fake-root');
  await home.json(['vm', 'stop', 'web']);
  return { home, base, root };
}

/** The files of an image, as a folder */
function filesOf(home: Home, { digest }: Pick<Image, 'digest'>): string {
  assert.ok(digest);
  const out = join(home.folder, `files-${hexOf(digest)}`);
  const base = join(home.paths.data, 'images', hexOf(digest), 'base.squashfs');
  execFileSync('rdsquashfs', ['--quiet', '--unpack-path', '/', '--unpack-root', out, base]);
  return out;
}

/** Processes, sockets and files that only a run or the making of an image has */
function leftOf(home: Home): string[] {
  const list = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
  return [
    ...findByArgument(`${home.folder}/run/banger/vms/`).map(({ pid }) => `process ${pid}`),
    ...list(join(home.paths.runtime, 'vms')),
    ...list(join(home.paths.data, 'images')).filter((name) => name.startsWith('.')),
  ];
}

function write(folder: string, name: string, content: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
}

test('what a machine has becomes an image that is run as before, and of what banger brought in nothing is in it', async (t) => {
  const { home, base, root } = await createStoppedVm(t, { HTTP_PROXY: PROXY });
  home.env.BANGER_HOST_ROOT = join(home.folder, 'host');
  write(home.env.BANGER_HOST_ROOT, 'usr/local/share/ca-certificates/company.crt', CERTIFICATE);
  write(home.env.BANGER_HOST_ROOT, 'etc/timezone', `Europe/${CANARY.replace('-', '_')}\n`);
  write(join(home.folder, 'home'), '.token', CANARY);
  await home.writeConfig(`
    [inside]
    proxy = true
    ca_certificates = true
    time_zone = true
    [[file_sync]]
    from = "~/.token"
    to = "/root/.config/token"
  `);
  // An update-ca-certificates as Debian's, and an openssl that has nothing to do.
  write(root, 'usr/sbin/update-ca-certificates', '#!/bin/sh -e\n');
  write(root, 'usr/bin/openssl', '#!/bin/sh\n');
  execFileSync('chmod', ['755', join(root, 'usr/sbin/update-ca-certificates'), join(root, 'usr/bin/openssl')]);
  write(root, 'etc/ssl/certs/ca-certificates.crt', 'the own one\n');
  write(root, `usr/share/zoneinfo/Europe/${CANARY.replace('-', '_')}`, 'TZif');
  await home.run(['daemon', 'stop']); // the next one has the host's root
  await home.json(['vm', 'start', 'web']);
  const repository = createRepository(join(home.folder, 'project'));
  repository.write('password', CANARY);
  repository.commit('a secret');
  await home.json(['vm', 'workspace', 'import', 'web', repository.path]);
  await home.json(['vm', 'stop', 'web']);
  assert.match(execFileSync('grep', ['-rl', CANARY, root], { encoding: 'utf8' }), /project\/password/);
  for (const name of [
    'etc/ssh/ssh_host_rsa_key',
    'etc/ssh/banger_host_ed25519_key',
    'etc/machine-id',
    'etc/hostname',
  ]) {
    write(root, name, CANARY);
  }
  write(root, 'etc/hosts', `127.0.0.1 localhost\n127.0.1.1 ${CANARY} # banger\n`);
  write(root, 'var/lib/systemd/random-seed', CANARY);
  write(root, 'etc/ssh/sshd_config', 'kept\n');
  write(root, 'root/notes', 'kept\n');
  symlinkSync('notes', join(root, 'root/link'));
  await home.writeConfig(''); // what was brought in before is known all the same

  const made = await home.json<Image>(['vm', 'commit', 'web', 'mine']);
  assert.deepEqual([made.name, made.source, made.config], ['mine', 'import', base.config]);
  const files = filesOf(home, made);
  for (const name of ['etc/ssh/sshd_config', 'root/notes', 'root/link']) {
    assert.equal(readFileSync(join(files, name), 'utf8'), 'kept\n', name);
  }
  assert.equal(readFileSync(join(files, 'etc/ssl/certs/ca-certificates.crt'), 'utf8'), 'the own one\n');
  assert.equal(readFileSync(join(files, 'etc/hosts'), 'utf8'), '127.0.0.1 localhost\n');
  assert.equal(readFileSync(join(files, 'etc/environment'), 'utf8'), '');
  const listed = execFileSync('find', ['.'], { cwd: files, encoding: 'utf8' });
  assert.doesNotMatch(listed, /banger-host|localtime|timezone|project|token|machine-id|random-seed/);
  assert.throws(() => execFileSync('grep', ['-r', CANARY, files]), { status: 1 });

  const { state } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.ok(state.is === 'stopped' && state.why === 'shut-down');
  assert.deepEqual(leftOf(home), []);
  await home.json(['vm', 'create', '--name', 'second', '--image', 'mine', '--disk-size', '256M', '--start']);
});

test('a machine that runs, a name that is taken, and one that is none, are refused with what to do', async (t) => {
  const { home, base } = await createStoppedVm(t);
  const refused = async (words: string[], code: string, hint: RegExp) => {
    const { stderr, code: exit } = await home.run(['vm', 'commit', ...words]);
    assert.match(stderr, new RegExp(`\\(${code}\\)`));
    assert.match(stderr, hint);
    assert.equal(exit === 0, false);
  };
  await refused(['web', 'app'], 'IMAGE_EXISTS', /With --force the name means the new one/);
  await refused(['web', 'debian'], 'IMAGE_EXISTS', /Choose another name/);
  await refused(['web', 'ghcr.io/a/b:1'], 'BAD_NAME', /./);
  await refused(['nothing', 'mine'], 'VM_NOT_FOUND', /banger vm ls/);
  await home.json(['vm', 'start', 'web']);
  await refused(['web', 'mine'], 'VM_WRONG_STATE', /Run "banger vm stop web" first/);
  await home.json(['vm', 'kill', 'web']);
  assert.deepEqual(leftOf(home), []);

  const again = await home.json<Image>(['vm', 'commit', '--force', 'web', 'app']);
  assert.notEqual(again.digest, base.digest);
  const { image } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.equal(image.digest, base.digest, 'the vm has what it was made from');
});

test('a machine that never ran gives what its image has', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web']);
  const made = await home.json<Image>(['vm', 'commit', 'web', 'mine']);
  assert.equal(made.name, 'mine');
  const { state } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.ok(state.is === 'stopped' && state.why === 'new');
});

const FAULTS: { fault: FakeFault; code: string; words: RegExp }[] = [
  { fault: 'exit-at-start', code: 'HYPERVISOR_FAILED', words: /told to fail/ },
  { fault: 'never-hello', code: 'VM_BOOT_TIMEOUT', words: /did not say hello within 4 s/ },
  { fault: 'boot-fail', code: 'VM_BOOT_FAILED', words: /the disk is not ext4/ },
  { fault: 'root-is-none', code: 'IMAGE_INVALID', words: /not a tar archive/ },
  { fault: 'root-unreadable', code: 'GUEST_PATH', words: /could not read all of its files: INTERNAL/ },
  { fault: 'root-without-end', code: 'IMAGE_INVALID', words: /goes on behind its end/ },
  { fault: 'root-breaks-off', code: 'VM_LOST', words: /./ },
];

test('whatever is wrong with the guest, it is told, the vm is as it was, and nothing is left', async (t) => {
  const { home } = await createStoppedVm(t, { BANGER_BOOT_TIMEOUT_MS: '4000' });
  const before = await home.json<Vm>(['vm', 'show', 'web']);
  for (const { fault, code, words } of FAULTS) {
    home.setFaults({ fault });
    const { stderr, code: exit } = await home.run(['vm', 'commit', 'web', 'mine']);
    assert.match(stderr, new RegExp(`\\(${code}\\)`), fault);
    assert.match(stderr, words, fault);
    assert.notEqual(exit, 0, fault);
    assert.deepEqual(leftOf(home), [], fault);
    const { state, fault: told } = await home.json<Vm>(['vm', 'show', 'web']);
    assert.deepEqual([state, told], [before.state, before.fault], fault);
  }
  home.setFaults({});
  await home.json(['vm', 'commit', 'web', 'mine']);
  await home.json(['vm', 'start', 'web']);
});

test('one that is given up while its files are read, or whose daemon is killed then, leaves nothing', async (t) => {
  const { home } = await createStoppedVm(t);
  home.setFaults({ fault: 'root-hangs' });
  const begin = async () => {
    const command = home.start(['vm', 'commit', 'web', 'mine']);
    const output = watchOutput(command);
    await output.until('read its files', 'stderr');
    return { command, output };
  };
  const given = await begin();
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).state.is, 'starting');
  given.command.kill('SIGINT');
  const { code, stderr } = await given.output.ended();
  assert.equal(code, 130);
  assert.match(stderr, /\(CANCELLED\)/);
  assert.deepEqual(leftOf(home), []);
  assert.equal((await home.json<Vm>(['vm', 'show', 'web'])).state.is, 'stopped');

  const killed = await begin();
  await home.killDaemon();
  await killed.output.ended();
  const { state } = await home.json<Vm>(['vm', 'show', 'web']);
  assert.equal(state.is, 'stopped');
  assert.deepEqual(leftOf(home), []);
  home.setFaults({});
  await home.json(['vm', 'commit', 'web', 'mine']);
});

test('a home that each new machine would copy for long is told', async (t) => {
  const { home, root } = await createStoppedVm(t);
  assert.doesNotMatch((await home.run(['vm', 'commit', 'web', 'mine'])).stderr, /\/root has/);
  for (let count = 0; count < 2000; count++) write(root, `root/many/${count}`, '');
  const { code, stderr } = await home.run(['vm', 'commit', '--force', 'web', 'mine']);
  assert.equal(code, 0);
  assert.match(stderr, /\/root has 0B in 200\d files and folders, which each vm of this image copies/);
});

test('where nobody can tell what was brought in, no image is made', async (t) => {
  const { home, root } = await createStoppedVm(t);
  write(root, '../brought.json', '{');
  const { stderr } = await home.run(['vm', 'commit', 'web', 'mine']);
  assert.match(stderr, /brought\.json is damaged[\s\S]*\(FILE_NOT_FOUND\)[\s\S]*Remove the file/);
  await home.json(['vm', 'start', 'web']);
  await home.json(['vm', 'stop', 'web']);

  // Of a vm that an older banger has started the config says what was.
  rmSync(join(root, '../brought.json'));
  write(root, 'root/.token', CANARY);
  await home.writeConfig('[[file_sync]]\nfrom = "~/.token"\nto = "/root/.token"\n');
  const files = filesOf(home, await home.json<Image>(['vm', 'commit', 'web', 'mine']));
  assert.equal(existsSync(join(files, 'root/.token')), false);
});
