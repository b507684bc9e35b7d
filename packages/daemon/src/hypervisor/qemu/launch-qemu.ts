/** The story of a start: from a plan to a QEMU that answers on its control socket. */
import { checkSocketPath } from '@banger/contract/paths.ts';
import { deadlineAfter } from '../../platform/deadline.ts';
import type { Log } from '../../platform/log.ts';
import type { Task } from '../../platform/task.ts';
import { UndoStack } from '../../platform/undo-stack.ts';
import { connectSocket, type OnRead, watchForSocket } from '../../platform/unix-sockets.ts';
import { keepBoundedLog } from '../bounded-log.ts';
import type { Accel, MachinePlan } from '../hypervisor.ts';
import { readLogFrom, sizeOfLog } from '../log-tail.ts';
import { makeOwnFolder, type StartVmm } from '../shut-in.ts';
import { startFailure } from '../start-failure.ts';
import { MachineEvents, QemuMachine } from './machine.ts';
import { machineSockets, planArguments } from './plan-arguments.ts';
import { QmpConnection } from './qmp.ts';

/** Under load: twenty QEMUs on two cores still answer well within it */
const START_DEADLINE_MS = 60_000;

export async function launchQemu(
  task: Task,
  { qemuPath, startVmm, log }: { qemuPath: string; startVmm: StartVmm; log: Log },
  plan: MachinePlan,
  accel: Accel,
): Promise<QemuMachine> {
  const { runtimeFolder, logPath, cpus, memoryBytes } = plan;
  const sockets = machineSockets({ runtimeFolder, hasOwnFolder: true });
  for (const path of Object.values(sockets)) checkSocketPath(path);
  await makeOwnFolder(runtimeFolder);
  const logStart = await sizeOfLog(logPath);

  await using undo = new UndoStack(log);
  const qmpSocket = watchForSocket(sockets.qmp);
  using _watch = { [Symbol.dispose]: qmpSocket.stop };
  const vmm = await startVmm(task, [qemuPath, ...planArguments(plan, accel)], {
    ...{ runtimeFolder, outputs: { logPath }, cpus, memoryBytes },
    ...viewOf(plan, accel),
  });
  undo.add('end QEMU', vmm.kill);

  const deadline = deadlineAfter(START_DEADLINE_MS);
  const ended = new AbortController();
  void vmm.exited.finally(() => ended.abort());
  // A socket whose maker died refuses every connection; without `ended` we would knock until the deadline.
  const limited = task.withSignal(AbortSignal.any([deadline, ended.signal]));
  try {
    await limited.race(qmpSocket.appeared);
    const open = (onRead: OnRead) => connectSocket(limited, sockets.console, onRead);
    const console = await keepBoundedLog({ open, path: plan.consolePath, log });
    undo.add('let go of the console', console.stop);
    const events = new MachineEvents();
    const qmp = await QmpConnection.connect(limited, sockets.qmp, events.take);
    undo.keep();
    const ref = { ...vmm.ref, driver: 'qemu' as const, accel, runtimeFolder, hasOwnFolder: true };
    return new QemuMachine({ ref, vmm, qmp, console, events, log });
  } catch (fault) {
    task.check();
    await vmm.kill();
    const limitMs = deadline.aborted ? START_DEADLINE_MS : null;
    throw startFailure({ name: 'QEMU', output: await readLogFrom(logPath, logStart), plan, limitMs, cause: fault });
  }
}

/** What of the host this machine is made of. */
function viewOf({ kernelPath, initramfsPath, drives, network }: MachinePlan, accel: Accel) {
  const pathsOf = (readOnly: boolean) => drives.filter((drive) => drive.readOnly === readOnly).map(({ path }) => path);
  const peer = network?.by === 'stream' ? [network.socketPath] : [];
  return {
    readable: [kernelPath, initramfsPath, ...pathsOf(true), ...peer],
    writable: pathsOf(false),
    devices: accel === 'kvm' ? ['/dev/kvm'] : [],
  };
}
