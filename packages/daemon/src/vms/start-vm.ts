/** From a stopped vm to one that runs. */
import { writeFile } from 'node:fs/promises';
import { toBangerError } from '@banger/contract/errors.ts';
import type { Task } from '../platform/task.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { bootVm } from './boot-vm.ts';
import { checkFreeMemory } from './check-memory.ts';
import { createRunningVm } from './running-vms.ts';
import { moveVm, type VmParts } from './vm-parts.ts';
import { expectState } from './vm-states.ts';

export async function startVm(task: Task, parts: VmParts, stopped: VmRecord): Promise<VmRecord> {
  expectState(stopped, 'stopped', 'started');
  const mayOvercommit = await parts.mayOvercommit();
  // No wait between this and the new state: of two that start at once, the second counts the first.
  checkFreeMemory(task, stopped, { host: parts.readHost(), all: parts.records.list(), mayOvercommit });
  const before = stopped.state;
  const starting = moveVm(parts, stopped, { is: 'starting' }, null);
  const current = () => parts.records.findById(starting.id) ?? starting; // it may have been given a place meanwhile

  await using undo = new UndoStack(parts.log);
  let fault: VmRecord['fault'] = null;
  undo.add('mark it stopped', () => moveVm(parts, current(), before, fault));
  try {
    const { machine, guest, contributions } = await bootVm(task, parts, starting, { undo });
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
