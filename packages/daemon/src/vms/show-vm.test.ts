import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import type { MachineRef } from '../hypervisor/hypervisor.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { SAMPLE_VM } from '../store/sample-vm.ts';
import { createVmFolders } from '../store/vm-folders.ts';
import { reachedAt, showVm } from './show-vm.ts';

const AT = '2026-01-02T00:00:00.000Z';
const machine: MachineRef = {
  ...{ driver: 'qemu', accel: 'tcg', pid: 1, startTicks: 2, runtimeFolder: '/r', hasOwnFolder: true },
};
const STOPPED = { is: 'stopped', why: 'new', at: AT } as const;
const running = (network: 'routed' | 'user' | null) => ({ is: 'running', since: AT, machine, network }) as const;
const withPlace = (more: Partial<VmRecord>): VmRecord => ({
  ...{ ...SAMPLE_VM, fault: null, state: STOPPED, place: { subnet: 0, lease: 16 } },
  ...more,
});

test('a machine is reached at its address only while it runs with it, and keeps it meanwhile', async () => {
  const folders = createVmFolders({ dataFolder: '/nonexistent', runtimeFolder: '/nonexistent' });
  const told = async (vm: VmRecord) => [
    reachedAt(vm),
    (await showVm({ folders, images: { configOf: () => null } }, vm)).address,
  ];
  assert.deepEqual(await told(withPlace({ state: running('routed') })), ['10.213.64.16', '10.213.64.16']);
  assert.deepEqual(await told(withPlace({ state: running('user') })), [null, null]);
  assert.deepEqual(await told(withPlace({})), [null, '10.213.64.16']);
  assert.deepEqual(await told(withPlace({ network: 'none' })), [null, null]);
  assert.deepEqual(await told(withPlace({ place: null })), [null, null]);
});

test('a machine tells whether its image says what to run', async () => {
  const folders = createVmFolders({ dataFolder: '/nonexistent', runtimeFolder: '/nonexistent' });
  const nothing = { env: ['A=b'], user: 'app', workingDir: '/srv', entrypoint: [], command: [], stopSignal: null };
  const told = async (config: ImageConfig | null) =>
    (await showVm({ folders, images: { configOf: () => config } }, withPlace({}))).image.hasCommand;
  assert.deepEqual([await told(null), await told(nothing)], [false, false]);
  assert.deepEqual(
    [await told({ ...nothing, command: ['x'] }), await told({ ...nothing, entrypoint: ['x'] })],
    [true, true],
  );
});
