/** The real hypervisors are held to what every driver promises; their guest is the agent that only says hello. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { greetAgent } from '../../packages/daemon/src/guest/handshake.ts';
import { type DriverHarness, testDriver } from '../../packages/daemon/src/hypervisor/driver-suite.ts';
import { createFirecrackerDriver } from '../../packages/daemon/src/hypervisor/firecracker/firecracker.ts';
import type { Machine } from '../../packages/daemon/src/hypervisor/hypervisor.ts';
import { createQemuDriver } from '../../packages/daemon/src/hypervisor/qemu/qemu.ts';
import { createShutIn } from '../../packages/daemon/src/hypervisor/shut-in.ts';
import { createKernels } from '../../packages/daemon/src/kernels/kernels.ts';
import { createLog } from '../../packages/daemon/src/platform/log.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { openStore } from '../../packages/daemon/src/store/store.ts';
import { AGENT, CHECKOUT, PREPARED } from '../support/banger-home.ts';
import { FIRECRACKER } from '../support/find-firecracker.ts';

const task = Task.background();
const log = createLog(() => {});
const folder = mkdtempSync(join(tmpdir(), 'banger-driver-'));
after(() => rmSync(folder, { recursive: true }));

const store = openStore(join(PREPARED, 'state/banger/state.sqlite'));
after(() => store.close());
const kernels = createKernels({
  records: store.kernels,
  folder: join(PREPARED, 'data/banger/kernels'),
  cacheFolder: folder,
  catalogFolder: join(CHECKOUT, 'catalog'),
  agentPath: AGENT,
  usedBy: () => [],
  areVmsKnown: () => true,
  log,
  now: () => new Date(),
});
const { vmlinuxPath, initramfsPath } = await kernels.bootFiles(task, kernels.find('debian').digest);

const FLOOR = ['console=ttyS0', 'panic=-1', 'banger.mode=floor'];
const hasKvm = isKvmProven();

testDriver(`QEMU's driver on ${hasKvm ? 'kvm' : 'tcg'}`, {
  driver: createQemuDriver({
    ...{ qemuPath: 'qemu-system-x86_64', startVmm: createShutIn(), log },
    proveKvm: async () => hasKvm,
  }),
  ...harness(FLOOR),
});

const obstacle = FIRECRACKER ? 'KVM runs no guests here' : 'there is no Firecracker';
testDriver(
  "Firecracker's driver on kvm",
  {
    driver: createFirecrackerDriver({
      ...{ findProgram: async () => FIRECRACKER ?? '', linkPath: '', startVmm: createShutIn(), log },
      proveKvm: async () => true,
    }),
    ...harness([...FLOOR, 'banger.line=vsock', 'banger.end=reset']),
  },
  { skip: FIRECRACKER !== null && hasKvm ? false : obstacle },
);

function harness(kernelArguments: string[]): Omit<DriverHarness, 'driver'> {
  return {
    plan: { kernelPath: vmlinuxPath, initramfsPath, kernelArguments, cpus: 1, memoryBytes: 256 * 2 ** 20 },
    greet: async (machine) => void (await greet(machine)),
    endGuest: async (machine) => {
      (await greet(machine)).write('BANGER-BYE\n');
      return 'reset';
    },
  };
}

async function greet(machine: Machine) {
  const stream = await machine.openAgentStream(task);
  await greetAgent(task, stream);
  return stream;
}

/** What the prepared home found out about this host. */
function isKvmProven(): boolean {
  try {
    const verdict = JSON.parse(readFileSync(join(PREPARED, 'cache/banger/kvm-qemu.json'), 'utf8')) as {
      works: boolean;
    };
    return verdict.works;
  } catch {
    return false; // there is no /dev/kvm
  }
}
