/** What a start does when one of the things that it does at once fails. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Capability } from '../capabilities/capability.ts';
import { createDrivers } from '../hypervisor/drivers.ts';
import type { Driver } from '../hypervisor/hypervisor.ts';
import { createLog } from '../platform/log.ts';
import { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { createVmFolders } from '../store/vm-folders.ts';
import { startVm } from './start-vm.ts';
import type { VmParts } from './vm-parts.ts';

const STOPPED = {
  id: '0123456789ab',
  name: 'web',
  memoryBytes: 1,
  state: { is: 'stopped', why: 'new' },
  fault: null,
  driver: 'auto',
};

test('a network that is still being set up when something else fails is released after it has ended', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'banger-start-'));
  t.after(() => rm(folder, { recursive: true }));
  const story: string[] = [];
  const network: Capability = {
    name: 'network',
    async prepare(task) {
      story.push('network begins');
      try {
        await task.race(new Promise<never>(() => {}));
      } finally {
        await new Promise((resolve) => setImmediate(resolve)); // ending its program takes a moment
        story.push('network has ended');
      }
      return {};
    },
    release: async () => void story.push('network is released'),
  };
  const files: Capability = {
    name: 'file sync',
    prepare: () => Promise.reject(new Error('there is no such file')),
  };
  let record = STOPPED as unknown as VmRecord;
  const keep = (changed: VmRecord) => {
    record = changed;
  };
  const parts = {
    ...{
      records: { note: keep, update: keep, list: () => [], findById: () => record },
      capabilities: [network, files],
      log: createLog(() => {}),
    },
    folders: createVmFolders({ dataFolder: join(folder, 'data'), runtimeFolder: join(folder, 'run') }),
    readHost: () => ({ cpus: 1, memoryBytes: 2 ** 40, memoryAvailableBytes: 2 ** 40 }),
    drivers: createDrivers([{ abilities: { maxCpus: 1 } } as Driver]),
    kernels: { bootFiles: async () => ({}) },
    ...{ mayOvercommit: async () => false, now: () => new Date() },
  } as unknown as VmParts;
  await assert.rejects(startVm(Task.background(), parts, record), { message: 'there is no such file' });
  assert.deepEqual(story, ['network begins', 'network has ended', 'network is released']);
  assert.equal(record.state.is, 'stopped');
});
