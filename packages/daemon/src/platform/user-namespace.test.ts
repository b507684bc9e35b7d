import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runProcess } from './run-process.ts';
import { Task } from './task.ts';
import { IN_ROOT_NAMESPACE, WITHOUT_ROOT_POWER } from './user-namespace.ts';

const task = Task.background();

// A host as systemd makes it: every mount is shared. An ordinary user is its root in a user namespace.
const AS_HOST_ROOT = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
const ON_SHARED_MOUNTS = ['unshare', ...AS_HOST_ROOT, '--mount', '--propagation', 'private', 'sh', '-c'];
const MOUNT_AND_COMPARE = `
  mount --make-rshared /
  cp /proc/self/mountinfo "/dev/shm/before.$$"
  "$@" sh -c 'mount -t tmpfs none /mnt && grep -q " /mnt " /proc/self/mountinfo && echo mounted'
  diff "/dev/shm/before.$$" /proc/self/mountinfo && echo unchanged
  rm "/dev/shm/before.$$"`;

for (const [whose, namespace] of Object.entries({ IN_ROOT_NAMESPACE, WITHOUT_ROOT_POWER })) {
  test(`what is mounted in a namespace of root's does not reach the host: ${whose}`, async () => {
    const { stdout } = await runProcess(task, [...ON_SHARED_MOUNTS, MOUNT_AND_COMPARE, 'sh', ...namespace]);
    assert.equal(stdout, 'mounted\nunchanged\n');
  });
}
