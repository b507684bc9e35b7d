/** From a record that says `starting` to an agent that answers. Whatever it begins is on the caller's undo stack. */
import { setTimeout as delay } from 'node:timers/promises';
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import type { Capability, Contribution } from '../capabilities/capability.ts';
import { connectGuest, type Guest } from '../guest/guest.ts';
import type { Driver, Machine, MachineExit } from '../hypervisor/hypervisor.ts';
import { deadlineAfter } from '../platform/deadline.ts';
import { makePrivateFolder } from '../platform/files.ts';
import { removeRun } from '../platform/remove-run.ts';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';
import type { UndoStack } from '../platform/undo-stack.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { consoleBytes, readConsoleTail } from './console.ts';
import { planBoot } from './plan-boot.ts';
import { releaseRun, type VmParts } from './vm-parts.ts';

/** How long a machine that failed may take to end by itself */
const LAST_WORDS_MS = 1000;
const CONSOLE_LINES = 12;

type Booted = { machine: Machine; guest: Guest; contributions: Contribution[] };

/** `isStill`: only to read its files, for which it gets nothing but its disk */
type BootOptions = { undo: UndoStack; isStill?: boolean };

export async function bootVm(
  task: Task,
  parts: VmParts,
  starting: VmRecord,
  { undo, isStill = false }: BootOptions,
): Promise<Booted> {
  const folders = parts.folders.of(starting.id);
  undo.add('remove its sockets', () => removeRun(folders.runtime));
  await makePrivateFolder(folders.runtime);

  const kernel = await parts.kernels.bootFiles(task, starting.kernelDigest);
  const driver = await parts.drivers.choose(task, starting, {
    vmId: starting.id,
    runtimeFolder: folders.runtime,
    kernelPath: kernel.vmlinuxPath,
    initramfsPath: kernel.initramfsPath,
    hasVsock: kernel.hasVsock,
  });
  undo.add('release its resources', () => releaseRun(parts, starting));
  const capabilities = parts.capabilities.filter(({ holdsFiles = false }) => holdsFiles || !isStill);
  const contributions = await prepareAll(task, capabilities, starting, driver);
  const imagePath = parts.images.basePath(starting.imageDigest);

  task.step('boot');
  const plan = planBoot({
    ...{ vm: starting, kernel, imagePath, contributions, folders, isStill },
    ...{ driver: driver.abilities, unixMs: parts.now().getTime() },
  });
  const consoleFrom = consoleBytes(folders.console);
  const machine = await driver.launch(task, plan);
  undo.add('end the machine', () => machine.kill());
  return { machine, guest: await greet(task, parts, starting, { machine, consoleFrom }), contributions };
}

async function prepareAll(
  task: Task,
  capabilities: readonly Capability[],
  vm: VmRecord,
  { abilities }: Driver,
): Promise<Contribution[]> {
  const contributions = await together(
    task,
    capabilities.map((capability) => async (own: Task) => capability.prepare?.(own, vm, abilities)),
  );
  return contributions.filter((contribution) => contribution !== undefined);
}

/** `consoleFrom`: the bytes of the console before this run's */
type Launched = { machine: Machine; consoleFrom: number };

/** Waits for the agent's hello, the machine's end, or the time limit, whichever comes first. */
async function greet(task: Task, parts: VmParts, vm: VmRecord, { machine, consoleFrom }: Launched): Promise<Guest> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const deadline = deadlineAfter(parts.bootTimeoutMs);
  ended.catch(() => {}); // it may lose the race
  void machine.exited.then((exit) => reject(endedAtBoot(vm, exit)));
  try {
    const limited = task.withSignal(deadline);
    const hello = machine.openAgentStream(limited).then((stream) => connectGuest(limited, stream));
    hello.catch(() => {}); // likewise
    return await Promise.race([hello, ended]);
  } catch (thrown) {
    task.check(); // cancelled by the user, which is no fault of the guest
    // A machine that dies closes the agent's port before the last of its console is written.
    const exit = await Promise.race([machine.exited, delay(LAST_WORDS_MS, null, { ref: false })]);
    const why = exit && toBangerError(thrown).code === 'VM_LOST' ? endedAtBoot(vm, exit) : thrown;
    const said = await readConsoleTail(parts.folders.of(vm.id).console, consoleFrom);
    throw bootFailure(vm, why, deadline.aborted ? parts.bootTimeoutMs : null, said);
  }
}

function endedAtBoot({ name }: VmRecord, { detail }: MachineExit): BangerError {
  return new BangerError('VM_BOOT_FAILED', { message: `"${name}" ended while it booted: ${detail}.` });
}

const ANOTHER_BASE = 'Another kernel or image may boot: "banger kernel ls", "banger image ls".';

/** `limitMs` is null where it is not the time limit that ended it. */
function bootFailure(vm: VmRecord, thrown: unknown, limitMs: number | null, consoleTail: string[]): BangerError {
  const known = toBangerError(thrown);
  const isSilent = consoleTail.length === 0 ? ', and wrote nothing to its console' : '';
  const late = limitMs !== null && `"${vm.name}" did not say hello within ${limitMs / 1000} s${isSilent}.`;
  const shown = consoleTail.slice(-CONSOLE_LINES);
  return new BangerError(late ? 'VM_BOOT_TIMEOUT' : known.code === 'INTERNAL' ? 'VM_BOOT_FAILED' : known.code, {
    message: late || known.message,
    hint: (late === false && known.hint) || ANOTHER_BASE,
    details: { ...known.details, console: shown },
    cause: thrown,
  });
}
