/** Story: systemd shuts down a machine that only a reset ends, and its disk is left so that the host can give back what is free on it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hexOf } from '@banger/contract/digest.ts';
import type { VmId } from '@banger/contract/names.ts';
import { createDiskCapability } from '../../packages/daemon/src/capabilities/disk.ts';
import { giveBack } from '../../packages/daemon/src/capabilities/give-back.ts';
import { connectGuest } from '../../packages/daemon/src/guest/guest.ts';
import { createQemuDriver } from '../../packages/daemon/src/hypervisor/qemu/qemu.ts';
import { createShutIn } from '../../packages/daemon/src/hypervisor/shut-in.ts';
import { createKernels } from '../../packages/daemon/src/kernels/kernels.ts';
import { makePrivateFolder } from '../../packages/daemon/src/platform/files.ts';
import { createLog } from '../../packages/daemon/src/platform/log.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import type { VmRecord } from '../../packages/daemon/src/store/records/vms.ts';
import { openStore } from '../../packages/daemon/src/store/store.ts';
import { createVmFolders } from '../../packages/daemon/src/store/vm-folders.ts';
import { planBoot } from '../../packages/daemon/src/vms/plan-boot.ts';
import { AGENT, CHECKOUT, PREPARED } from '../support/banger-home.ts';

const task = Task.background();
const log = createLog(() => {});

test('a machine that a reset ends leaves a disk whose journal is empty', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'banger-space-'));
  t.after(() => rm(folder, { recursive: true }));
  const store = openStore(join(PREPARED, 'state/banger/state.sqlite'));
  t.after(() => store.close());
  const [image] = store.images.list();
  const [kernel] = store.kernels.list();
  assert.ok(image && kernel);
  const kernels = createKernels({
    ...{ records: store.kernels, folder: join(PREPARED, 'data/banger/kernels'), cacheFolder: folder, agentPath: AGENT },
    ...{
      catalogFolder: join(CHECKOUT, 'catalog'),
      usedBy: () => [],
      areVmsKnown: () => true,
      log,
      now: () => new Date(),
    },
  });
  const folders = createVmFolders({ dataFolder: join(folder, 'data'), runtimeFolder: join(folder, 'run') });
  const vm = {
    ...{ id: '0123456789ab' as VmId, name: 'web', diskBytes: 2 ** 30, cpus: 1, memoryBytes: 2 ** 29 },
    machineId: '0'.repeat(31).concat('1'),
  } as VmRecord;
  const { disk, runtime, console, hypervisorLog } = folders.of(vm.id);
  await makePrivateFolder(runtime);
  await createDiskCapability({ folders, log }).create?.(task, vm);
  const driver = createQemuDriver({
    ...{ qemuPath: 'qemu-system-x86_64', startVmm: createShutIn(), log, proveKvm: async () => false },
  });

  const machine = await driver.launch(
    task,
    planBoot({
      ...{ vm, kernel: await kernels.bootFiles(task, kernel.digest), unixMs: Date.now() },
      imagePath: join(PREPARED, 'data/banger/images', hexOf(image.digest), 'base.squashfs'),
      driver: { ...driver.abilities, endsBy: 'reset' },
      contributions: [{ drives: [{ path: disk, readOnly: false }] }],
      folders: { runtime, console, hypervisorLog },
    }),
  );
  t.after(() => machine.kill());
  const guest = await connectGuest(task, await machine.openAgentStream(task));
  await guest.untilInitReady(task);
  await guest.shutdown(task, 'poweroff');
  const exit = await machine.exited;
  assert.deepEqual([exit.by, 'how' in exit && exit.how], ['guest', 'reset']);
  assert.deepEqual(Object.keys(await giveBack(task, disk)), ['bytes']);
});
