/**
 * Each place that the host's side writes to, in turn on a filesystem of its own that is full, has no inodes, or can only
 * be read: told with a code, nothing half-made, and what was asked for works once the place takes writes again.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { writeLayout } from '../../packages/daemon/src/images/oci/sample-layout.ts';
import { sampleTar } from '../../packages/daemon/src/images/sample-tar.ts';
import { sampleVmlinux } from '../../packages/daemon/src/kernels/sample-kernel.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { createRepository } from '../support/sample-repository.ts';
import { mayMount, mountObstacle, OBSTACLES, type Obstacle } from '../support/small-disk.ts';

const CODES: Record<Obstacle, string> = {
  full: 'DISK_FULL',
  'without inodes': 'DISK_FULL',
  'read-only': 'DISK_READ_ONLY',
};

type Place = {
  what: string;
  folder: string;
  command: string[] | (() => string[]);
  stdin?: Buffer;
  /** The daemon is to come up on it */
  isOfDaemon?: boolean;
  /** Its files are large, or it is a cache: the filesystem begins without them */
  isEmpty?: boolean;
  /** Where the command goes on without what it could not write */
  goesOn?: readonly Obstacle[];
  /** Files of an earlier command, by which this one would have nothing to write */
  without?: string[];
  /** What is left of it is no half of anything */
  mayLeave?: RegExp;
  /** What the command says when nothing is in its way; nothing for a success */
  otherwise?: RegExp;
  undo?: string[];
};

test('each place that is written to, on filesystems that take no writes', async (t) => {
  const { home, places } = await makePlaces(t);
  if (!mayMount(home.folder)) return t.skip('this host lacks the ability: mount');
  const pid = await home.daemonPid();
  for (const place of places) {
    await t.test(place.what, async () => {
      const command = () => (Array.isArray(place.command) ? place.command : place.command());
      const given = place.stdin ? { stdin: place.stdin } : {};
      const removeEarlier = () => {
        for (const name of place.without ?? []) rmSync(join(place.folder, name), { force: true });
      };
      for (const obstacle of OBSTACLES) {
        if (place.isOfDaemon) await home.run(['daemon', 'stop']);
        removeEarlier();
        const mount = mountObstacle(place.folder, obstacle, place);
        try {
          const { code, stdout, stderr } = await home.run(command(), given);
          const said = `${obstacle}: ${code} ${stdout}${stderr}`;
          assert.doesNotMatch(said, /INTERNAL|\n {4}at /);
          if (place.goesOn?.includes(obstacle)) assert.match(said, place.otherwise ?? /: 0 /);
          else assert.match(said, new RegExp(`: 74 [^]*\\(${CODES[obstacle]}\\)\n  hint: `));
          const left = mount.list().filter((name) => !mount.had.includes(name) && !place.mayLeave?.test(name));
          assert.deepEqual(left, [], said);
        } finally {
          if (place.isOfDaemon) await home.killDaemon();
          mount.unmount();
        }
      }
      removeEarlier();
      const { code, stderr } = await home.run(command(), given);
      assert.match(`: ${code} ${stderr}`, place.otherwise ?? /: 0 /);
      if (place.undo) await home.json(place.undo);
      if (!place.isOfDaemon) assert.equal(await home.daemonPid(), pid, 'the daemon lives');
    });
  }
  const { vms } = await home.json<{ vms: Vm[] }>(['vm', 'ls']);
  const found = vms.map(({ name, state }) => `${name} ${state.is}`);
  assert.deepEqual(found.sort(), ['runs running', 'still stopped'], 'both vms are as they were');
});

async function makePlaces(t: TestContext) {
  const home = await createFakeHome(t);
  const file = (name: string, content: Buffer) => {
    writeFileSync(join(home.folder, name), content);
    return join(home.folder, name);
  };
  const tarball = file('rootfs.tar', sampleTar({ name: 'bin/', type: '5' }, { name: 'bin/sh', content: 'sh' }));
  const layout = join(home.folder, 'layout');
  writeLayout(layout, [{ layers: [sampleTar({ name: 'serve', content: 'x' })] }]);
  const archive = file('image.tar', execFileSync('tar', ['-C', layout, '-c', '.']));
  const vmlinux = file('vmlinux', sampleVmlinux());
  const { path: repo } = createRepository(join(home.folder, 'project'));
  const { id: still } = await home.json<Vm>(['vm', 'create', '--name', 'still']);
  const { id: runs } = await home.json<Vm>(['vm', 'create', '--name', 'runs', '--start']);
  const { state, data, cache, runtime } = home.paths;
  const kill = ['vm', 'kill', 'still'];
  const noServer = /SSH_NO_SERVER/;
  let memoryMib = 600;
  const places: Place[] = [
    {
      ...{ what: 'a new vm', folder: join(data, 'vms') },
      ...{ command: ['vm', 'create', '--name', 'new'], undo: ['vm', 'rm', 'new'] },
    },
    {
      ...{ what: 'what a vm tells of itself', folder: join(data, 'vms', still) },
      command: () => ['vm', 'set', '--memory', `${memoryMib++}M`, 'still'],
    },
    {
      ...{ what: 'an image', folder: join(data, 'images'), isEmpty: true },
      ...{ command: ['image', 'import', 'tiny', tarball], undo: ['image', 'rm', 'tiny'] },
    },
    {
      ...{ what: 'an image from stdin', folder: join(data, 'images'), isEmpty: true },
      ...{ command: ['image', 'import', 'tiny', '-'], stdin: readFileSync(tarball), undo: ['image', 'rm', 'tiny'] },
    },
    {
      ...{ what: 'an archive of an image from stdin', folder: join(data, 'images'), isEmpty: true },
      ...{ command: ['image', 'import', 'tiny', '-'], stdin: readFileSync(archive), undo: ['image', 'rm', 'tiny'] },
    },
    {
      ...{ what: 'an image of a vm', folder: join(data, 'images') },
      ...{ command: ['vm', 'commit', 'still', 'tiny'], undo: ['image', 'rm', 'tiny'] },
    },
    {
      ...{ what: 'a kernel', folder: join(data, 'kernels'), isEmpty: true },
      ...{ command: ['kernel', 'import', 'tiny', vmlinux], undo: ['kernel', 'rm', 'tiny'] },
    },
    {
      ...{ what: 'a key and a config for ssh', folder: join(data, 'ssh') },
      ...{ command: ['ssh-config'], without: ['id_ed25519', 'id_ed25519.pub', 'config'], mayLeave: /^known_hosts$/ },
    },
    {
      ...{ what: 'the host key of a vm', folder: join(data, 'vms', runs) },
      ...{ command: ['vm', 'proxy', 'runs'], otherwise: noServer },
      without: ['ssh_host_ed25519_key', 'ssh_host_ed25519_key.pub'],
    },
    {
      ...{ what: 'what ssh knows of a vm', folder: join(data, 'ssh/known_hosts'), without: ['runs.vm'] },
      ...{ command: ['vm', 'proxy', 'runs'], otherwise: noServer },
    },
    {
      ...{ what: "the user's own ssh config", folder: String(home.env.HOME), mayLeave: /^\.ssh$/ },
      ...{ command: ['ssh-config', '--install'], undo: ['ssh-config', '--uninstall'] },
    },
    {
      ...{ what: 'the initramfs', folder: join(cache, 'initramfs'), isEmpty: true },
      ...{ command: ['vm', 'start', 'still'], undo: kill },
    },
    {
      ...{ what: 'the console and the log of a run', folder: join(data, 'vms', still), goesOn: ['full'] },
      ...{ command: ['vm', 'restart', 'still'], without: ['console.log', 'hypervisor.log'], undo: kill },
      mayLeave: /^(console|hypervisor)\.log$/,
    },
    {
      ...{ what: 'the sockets of a run', folder: join(runtime, 'vms') },
      ...{ command: ['vm', 'start', 'still'], undo: kill },
    },
    {
      ...{ what: 'the plan of a workspace', folder: join(cache, 'workspaces') },
      command: ['vm', 'workspace', 'import', '--dry-run', 'runs', repo],
    },
    {
      ...{ what: 'what goes into a workspace', folder: join(data, 'vms', runs, 'workspaces') },
      command: ['vm', 'workspace', 'import', '--force', 'runs', repo],
    },
    {
      ...{ what: 'what comes back of a workspace', folder: join(data, 'vms', runs, 'workspaces') },
      command: ['vm', 'workspace', 'diff', 'runs'],
    },
    {
      ...{ what: 'compiled code', folder: join(cache, 'node-compile-cache'), isEmpty: true, goesOn: OBSTACLES },
      ...{ command: ['vm', 'ls'], mayLeave: /^v\d/ }, // Node's own files
    },
    {
      ...{ what: 'copies of the state', folder: join(state, 'copies'), isOfDaemon: true, goesOn: OBSTACLES },
      command: ['daemon', 'start'],
    },
    {
      ...{ what: 'the reserve for the state', folder: join(state, 'reserve'), isOfDaemon: true, goesOn: OBSTACLES },
      ...{ command: ['daemon', 'start'], isEmpty: true },
    },
    {
      ...{ what: 'the socket of the daemon', folder: runtime, isOfDaemon: true, goesOn: ['full'] },
      ...{ command: ['daemon', 'start'], mayLeave: /^daemon\.sock$/ },
    },
    {
      ...{ what: 'a state that is made anew', folder: state, isOfDaemon: true, without: ['state.sqlite'] },
      command: ['system', 'recover'],
    },
  ];
  return { home, places };
}
