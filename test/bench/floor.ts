/**
 * The floor: how fast a machine can be that does nothing but say hello.
 *
 * The same QEMU, kernel, initramfs and machine options as a vm's, from the same plan; the agent in `banger.mode=floor`
 * loads its modules and answers. Without drives and network, so that what they cost counts as banger's own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Vm } from '@banger/contract/api/vms.ts';
import { greetAgent } from '../../packages/daemon/src/guest/handshake.ts';
import type { Accel, MachinePlan } from '../../packages/daemon/src/hypervisor/hypervisor.ts';
import { machineSockets, planArguments } from '../../packages/daemon/src/hypervisor/qemu/plan-arguments.ts';
import { ownFolder } from '../../packages/daemon/src/hypervisor/shut-in.ts';
import { makePrivateFolder } from '../../packages/daemon/src/platform/files.ts';
import { Task } from '../../packages/daemon/src/platform/task.ts';
import { connectSocket, watchForSocket } from '../../packages/daemon/src/platform/unix-sockets.ts';
import type { VmRecord } from '../../packages/daemon/src/store/records/vms.ts';
import { planBoot } from '../../packages/daemon/src/vms/plan-boot.ts';
import type { BenchHome } from './bench-home.ts';

const HELLO_TIMEOUT_MS = 60_000;

/** From the spawn to the line with which the guest says that it is ready. */
export async function bootFloor({ folder, paths, usual }: BenchHome): Promise<number> {
  const runtimeFolder = join(folder, 'floor');
  await rm(runtimeFolder, { recursive: true, force: true });
  await makePrivateFolder(ownFolder(runtimeFolder));
  const plan = planFloor(usual, runtimeFolder, {
    vmlinuxPath: onlyFile(join(paths.data, 'kernels/*/vmlinux')),
    initramfsPath: onlyFile(join(paths.cache, 'initramfs/*.cpio')),
  });
  const sockets = machineSockets({ runtimeFolder, hasOwnFolder: true });
  const task = Task.background().withSignal(AbortSignal.timeout(HELLO_TIMEOUT_MS));
  const agentSocket = watchForSocket(sockets.agent);

  const beganMs = performance.now();
  const qemu = spawn('qemu-system-x86_64', planArguments(plan, accelOf(usual)), {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(qemu, 'exit');
  try {
    await task.race(agentSocket.appeared);
    const stream = await connectSocket(task, sockets.agent);
    await greetAgent(task, stream);
    const tookMs = performance.now() - beganMs;
    stream.destroy();
    return tookMs;
  } finally {
    agentSocket.stop();
    qemu.kill('SIGKILL');
    await ended;
  }
}

type KernelFiles = { vmlinuxPath: string; initramfsPath: string };

function planFloor(vm: Vm, runtimeFolder: string, kernel: KernelFiles): MachinePlan {
  const plan = planBoot({
    // As the API shows it, a vm has all that the plan takes from its record but the words for the agent.
    vm: vm as unknown as VmRecord,
    kernel: { ...kernel, modulesImagePath: null },
    imagePath: '',
    driver: { agentLine: 'virtio-serial', endsBy: 'power-off' },
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
