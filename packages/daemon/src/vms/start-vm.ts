/** From a stopped vm to an agent that answers. */
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import type { Contribution } from '../capabilities/capability.ts';
import { connectGuest, type Guest } from '../guest/guest.ts';
import type { Driver, Machine, MachineExit } from '../hypervisor/hypervisor.ts';
import { deadlineAfter } from '../platform/deadline.ts';
import { makePrivateFolder } from '../platform/files.ts';
import { removeRun } from '../platform/remove-run.ts';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { checkFreeMemory } from './check-memory.ts';
import { consoleBytes, readConsoleTail } from './console.ts';
import { planBoot } from './plan-boot.ts';
import { createRunningVm } from './running-vms.ts';
import { moveVm, releaseRun, type VmParts } from './vm-parts.ts';
import { expectState } from './vm-states.ts';

/** How long a machine that failed may take to end by itself */
const LAST_WORDS_MS = 1000;
const CONSOLE_LINES = 12;

export async function startVm(task: Task, parts: VmParts, stopped: VmRecord): Promise<VmRecord> {
  expectState(stopped, 'stopped', 'started');
  const mayOvercommit = await parts.mayOvercommit();
  // No wait between this and the new state: of two that start at once, the second counts the first.
  checkFreeMemory(task, stopped, { host: parts.readHost(), all: parts.records.list(), mayOvercommit });
  const folders = parts.folders.of(stopped.id);
  const before = stopped.state;
  const starting = moveVm(parts, stopped, { is: 'starting' }, null);
  const current = () => parts.records.findById(starting.id) ?? starting; // it may have been given a place meanwhile

  await using undo = new UndoStack(parts.log);
  let fault: VmRecord['fault'] = null;
  undo.add('mark it stopped', () => moveVm(parts, current(), before, fault));
  try {
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
    const contributions = await prepareAll(task, parts, starting, driver);
    const imagePath = parts.images.basePath(starting.imageDigest);

    task.step('boot');
    const plan = planBoot({
      ...{ vm: starting, kernel, imagePath, contributions, folders },
      ...{ driver: driver.abilities, unixMs: parts.now().getTime() },
    });
    const consoleFrom = consoleBytes(folders.console);
    const machine = await driver.launch(task, plan);
    undo.add('end the machine', () => machine.kill());

    const guest = await greet(task, parts, starting, { machine, consoleFrom });
    const imageConfig = parts.images.configOf(starting.imageDigest);
    if (imageConfig) await guest.useImage(task, imageConfig);
    for (const capability of parts.capabilities) await capability.finish?.(task, starting, guest);
    const since = parts.now().toISOString();
    const network = contributions.find((each) => each.network)?.network?.is ?? null;
    const running = moveVm(parts, current(), { is: 'running', since, machine: machine.ref, network });
    parts.running.set(
      running.id,
      createRunningVm(running.name, { machine, guest, bootTimeoutMs: parts.bootTimeoutMs }),
    );
    await describeRun(parts, running);
    undo.keep();
    return running;
  } catch (thrown) {
    const { code, message } = toBangerError(thrown);
    if (code !== 'CANCELLED') fault = { code, message, at: parts.now().toISOString() };
    throw thrown;
  }
}

/** Beside its sockets, so that a state that is made anew finds the machine that runs. */
async function describeRun({ folders, log }: VmParts, { id, name, state }: VmRecord): Promise<void> {
  if (state.is !== 'running') return;
  const run = { ...state.machine, network: state.network };
  await writeFile(folders.of(id).machine, JSON.stringify(run), { mode: 0o600 }).catch((fault) =>
    log.warn(`vm ${name}: its run could not be described`, fault),
  );
}

async function prepareAll(
  task: Task,
  { capabilities }: VmParts,
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
