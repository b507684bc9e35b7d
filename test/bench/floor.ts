/**
 * The floor: how fast a machine can be that does nothing but say hello.
 *
 * The same hypervisor, kernel, initramfs and machine options as a vm's, from the same plan; the agent in
 * `banger.mode=floor` loads its modules and answers. Without drives, network and walls, so that what they cost counts as
 * banger's own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { DriverName, Vm } from '@banger/contract/api/vms.ts';
import { greetAgent } from '../../packages/daemon/src/guest/handshake.ts';
import { GuestSockets } from '../../packages/daemon/src/hypervisor/firecracker/guest-sockets.ts';
import * as firecracker from '../../packages/daemon/src/hypervisor/firecracker/plan-config.ts';
import type { Accel, DriverAbilities, MachinePlan } from '../../packages/daemon/src/hypervisor/hypervisor.ts';
import * as qemu from '../../packages/daemon/src/hypervisor/qemu/plan-arguments.ts';
import { ownFolder } from '../../packages/daemon/src/hypervisor/shut-in.ts';
import { makePrivateFolder } from '../../packages/daemon/src/platform/files.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { connectSocket, watchForSocket } from '../../packages/daemon/src/platform/unix-sockets.ts';
import type { VmRecord } from '../../packages/daemon/src/store/records/vms.ts';
import { planBoot } from '../../packages/daemon/src/vms/plan-boot.ts';
import { FIRECRACKER } from '../support/find-firecracker.ts';
import type { BenchHome } from './bench-home.ts';

/** Far beyond what any takes, doubly emulated too */
const HELLO_TIMEOUT_MS = 300_000;

/** What is prepared before the clock runs, and then from the spawn to the agent's stream */
type Floor = {
  driver: Pick<DriverAbilities, 'agentLine' | 'endsBy'>;
  prepare(plan: MachinePlan): Promise<{ argv: string[]; openStream: (task: Task) => Promise<Duplex>; close(): void }>;
};

const FLOORS: Record<DriverName, (accel: Accel) => Floor> = { qemu: floorOfQemu, firecracker: floorOfFirecracker };

/** From the spawn to the line with which the guest says that it is ready. */
export async function bootFloor({ folder, paths, usual }: BenchHome, name: DriverName): Promise<number> {
  const runtimeFolder = join(folder, 'floor');
  await rm(runtimeFolder, { recursive: true, force: true });
  await makePrivateFolder(ownFolder(runtimeFolder));
  const { driver, prepare } = FLOORS[name](accelOf(usual));
  const plan = planFloor(usual, driver, runtimeFolder, {
    vmlinuxPath: onlyFile(join(paths.data, 'kernels/*/vmlinux')),
    initramfsPath: onlyFile(join(paths.cache, 'initramfs/*.cpio')),
  });
  const { argv, openStream, close } = await prepare(plan);
  const [program = '', ...args] = argv;
  const task = Task.background().withSignal(AbortSignal.timeout(HELLO_TIMEOUT_MS));

  const beganMs = performance.now();
  const vmm = spawn(program, args, { cwd: ownFolder(runtimeFolder), stdio: 'ignore' });
  try {
    const stream = await openStream(task);
    await greetAgent(task, stream);
    return performance.now() - beganMs;
  } finally {
    close();
    await end(vmm);
  }
}

function floorOfQemu(accel: Accel): Floor {
  return {
    driver: { agentLine: 'virtio-serial', endsBy: 'power-off' },
    async prepare(plan) {
      const { agent } = qemu.machineSockets({ runtimeFolder: plan.runtimeFolder, hasOwnFolder: true });
      const { appeared, stop } = watchForSocket(agent);
      let stream: Duplex | undefined;
      const openStream = async (task: Task) => {
        await task.race(appeared);
        stream = await connectSocket(task, agent);
        return stream;
      };
      const close = () => {
        stop();
        stream?.destroy();
      };
      return { argv: ['qemu-system-x86_64', ...qemu.planArguments(plan, accel)], openStream, close };
    },
  };
}

function floorOfFirecracker(): Floor {
  return {
    driver: { agentLine: 'vsock', endsBy: 'reset' },
    async prepare(plan) {
      const files = firecracker.machineFiles(plan.runtimeFolder);
      await writeFile(files.config, JSON.stringify(firecracker.planConfig(plan)));
      const sockets = await GuestSockets.listen(files, { isBooting: true });
      const argv = [FIRECRACKER ?? 'firecracker', ...firecracker.planArguments(plan)];
      return { argv, openStream: (task) => sockets.openStream(task), close: () => sockets.close() };
    },
  };
}

async function end(vmm: ChildProcess): Promise<void> {
  if (vmm.exitCode !== null || vmm.signalCode !== null) return;
  const ended = once(vmm, 'exit');
  vmm.kill('SIGKILL');
  await ended;
}

type KernelFiles = { vmlinuxPath: string; initramfsPath: string };

function planFloor(vm: Vm, driver: Floor['driver'], runtimeFolder: string, kernel: KernelFiles): MachinePlan {
  const plan = planBoot({
    // As the API shows it, a vm has all that the plan takes from its record but the words for the agent.
    vm: vm as unknown as VmRecord,
    kernel: { ...kernel, modulesImagePath: null },
    imagePath: '',
    driver,
    contributions: [],
    folders: { runtime: runtimeFolder, console: '', hypervisorLog: '' },
    unixMs: 0,
  });
  const kernelArguments = plan.kernelArguments.map((word) =>
    word.startsWith('banger.boot=') ? 'banger.mode=floor' : word,
  );
  return { ...plan, drives: [], network: null, kernelArguments };
}

export function accelOf({ state }: Vm): Accel {
  return state.is === 'running' && state.accel === 'kvm' ? 'kvm' : 'tcg';
}

function onlyFile(pattern: string): string {
  const found = globSync(pattern);
  if (found.length !== 1) throw new Error(`${pattern} should be one file, and is ${found.length}`);
  return found[0] as string;
}
