/** The story of a start: from a plan to a Firecracker whose guest runs. */
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { VSOCK_PORTS } from '@banger/contract/guest/vsock.ts';
import { checkSocketPath } from '@banger/contract/paths.ts';
import { throughTap } from '../../network/through-tap.ts';
import { deadlineAfter } from '../../platform/deadline.ts';
import { requireTool } from '../../platform/find-tool.ts';
import type { Log } from '../../platform/log.ts';
import type { Task } from '../../platform/task.ts';
import { UndoStack } from '../../platform/undo-stack.ts';
import { watchForSocket } from '../../platform/unix-sockets.ts';
import type { MachinePlan } from '../hypervisor.ts';
import { readLogFrom, sizeOfLog } from '../log-tail.ts';
import { makeOwnFolder, type StartedVmm, type StartVmm } from '../shut-in.ts';
import { startFailure } from '../start-failure.ts';
import { askFirecracker, holdFirecracker } from './api.ts';
import { describeEnding } from './describe-exit.ts';
import { GuestSockets } from './guest-sockets.ts';
import type { HaltLooks } from './halt-watch.ts';
import { FirecrackerMachine } from './machine.ts';
import { keepOutputs, makeEnds } from './outputs.ts';
import { machineFiles, planArguments, planConfig, TAP_OF_STREAM } from './plan-config.ts';
import { checkRoom, type RoomSource } from './space-watch.ts';

const START_DEADLINE_MS = 60_000;

type LaunchParts = {
  firecrackerPath: string;
  linkPath: string;
  startVmm: StartVmm;
  log: Log;
  room: RoomSource;
  looks: HaltLooks | undefined;
};

export async function launchFirecracker(
  task: Task,
  { firecrackerPath, linkPath, startVmm, log, room, looks }: LaunchParts,
  plan: MachinePlan,
): Promise<FirecrackerMachine> {
  const { vmId, runtimeFolder, logPath, cpus, memoryBytes } = plan;
  const files = machineFiles(runtimeFolder);
  for (const path of [files.api, ...[VSOCK_PORTS.call, VSOCK_PORTS.goodbye].map(files.guestPort)])
    checkSocketPath(path);
  const config = planConfig(plan);
  const disks = plan.drives.filter(({ readOnly }) => !readOnly).map(({ path }) => path);
  await checkRoom(disks, room);
  await prepareFolder(runtimeFolder, config);
  const logStart = await sizeOfLog(logPath);

  await using undo = new UndoStack(log);
  const ends = await makeEnds(task, files, logPath);
  undo.add('close what it writes to', ends.close);
  const outputs = await keepOutputs(files, plan.consolePath, log);
  undo.add('let go of what it writes', outputs.stop);
  const sockets = await GuestSockets.listen(files, { isBooting: true });
  undo.add('listen to the guest no more', () => sockets.close());
  const apiSocket = watchForSocket(files.api);
  using _watch = { [Symbol.dispose]: apiSocket.stop };
  const vmm = await startFirecracker();
  undo.add('end Firecracker', vmm.kill);

  const deadline = deadlineAfter(START_DEADLINE_MS);
  const ended = new AbortController();
  void vmm.exited.finally(() => ended.abort());
  const limited = task.withSignal(AbortSignal.any([deadline, ended.signal]));
  try {
    await limited.race(apiSocket.appeared);
    const api = await holdFirecracker(limited, files.api);
    undo.add('let go of its control socket', () => void api.destroy());
    // Each of them says that the guest was started; before that nothing may be asked.
    await limited.race(Promise.race([outputs.words.started, outputs.spoken, sockets.called]));
    await askFirecracker(limited, files.api);
    undo.keep();
    const ref = { ...vmm.ref, ...({ driver: 'firecracker', accel: 'kvm' } as const), runtimeFolder, answersAs: vmId };
    return new FirecrackerMachine({
      ...{ ref, vmm, api, sockets, outputs, disks, room, looks, log },
      ...{ ending: vmm.exited, stall: null },
    });
  } catch (fault) {
    task.check();
    const isLate = deadline.aborted;
    await vmm.kill();
    await outputs.ended;
    const output = reasonIn(await readLogFrom(logPath, logStart)) || describeEnding(await vmm.exited);
    throw startFailure({ name: 'Firecracker', output, plan, limitMs: isLate ? START_DEADLINE_MS : null, cause: fault });
  }

  async function startFirecracker(): Promise<StartedVmm> {
    const program = requireTool(firecrackerPath);
    const argv = withNetwork([program, ...planArguments(plan)]);
    try {
      return await startVmm(task, argv, {
        ...viewOf(plan, [program, linkPath]),
        ...{ runtimeFolder, outputs: ends, cpus, memoryBytes },
      });
    } finally {
      ends.close();
    }
  }

  function withNetwork(program: string[]): string[] {
    if (plan.network?.by !== 'stream') return program;
    const { socketPath } = plan.network;
    return throughTap(linkPath, { socketPath, device: TAP_OF_STREAM, endedPath: files.networkEnded }, program);
  }
}

async function prepareFolder(runtimeFolder: string, config: object): Promise<void> {
  const files = machineFiles(runtimeFolder);
  await makeOwnFolder(runtimeFolder);
  const { consoleFifo, logFifo, logLink, stalled } = files; // of an earlier run
  await Promise.all([consoleFifo, logFifo, logLink, stalled].map((path) => rm(path, { force: true })));
  await writeFile(files.config, JSON.stringify(config), { mode: 0o600 });
}

/** What of the host this machine is made of. A device that is not there is told by Firecracker. */
function viewOf({ runtimeFolder, kernelPath, initramfsPath, drives, network }: MachinePlan, programs: string[]) {
  const pathsOf = (readOnly: boolean) => drives.filter((drive) => drive.readOnly === readOnly).map(({ path }) => path);
  const isStream = network?.by === 'stream';
  const { config } = machineFiles(runtimeFolder);
  return {
    readable: [
      kernelPath,
      initramfsPath,
      config,
      ...pathsOf(true),
      ...(isStream ? [...programs, network.socketPath] : []),
    ],
    writable: pathsOf(false),
    devices: ['/dev/kvm', ...(isStream ? ['/dev/net/tun'] : [])].filter((path) => existsSync(path)),
    ownsNetwork: isStream,
  };
}

/** The one line of its log that says why, without time and thread; else all that it wrote. */
function reasonIn(output: string): string {
  const reasons = output.split('\n').flatMap((line) => /\] \w+ error: (.+)$/.exec(line)?.[1] ?? []);
  return reasons.at(-1) ?? output;
}
