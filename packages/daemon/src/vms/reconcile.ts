/**
 * What the daemon does first: it compares its records with the host, and finishes or undoes what was cut off.
 *
 * | recorded as | what is done |
 * |---|---|
 * | creating | undone: nobody was told that the vm exists |
 * | starting, stopping | killed, then stopped |
 * | running | adopted when its machine answers, else stopped as crashed |
 * | removing | removed |
 * | ephemeral, any state | removed: whoever it was for is gone |
 *
 * Then what a run left goes, when its vm no longer runs or its files are gone. What lasts, a folder below `vms` that has
 * no record, is never removed here: it means that the state was lost, not that the vm was. A fault with one vm is logged
 * and does not keep the others, or the daemon, from coming up.
 */
import { join } from 'node:path';
import { listFolder, removeTree } from '../platform/files.ts';
import { findByArgument, killProcess } from '../platform/processes.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { finishRemove } from './remove-vm.ts';
import { createRunningVm } from './running-vms.ts';
import { finishStop } from './stop-vm.ts';
import { moveVm, type VmParts } from './vm-parts.ts';

export async function reconcile(parts: VmParts, watch: (vm: VmRecord) => void): Promise<void> {
  await Promise.all(
    parts.records.list().map(async (vm) => {
      try {
        await reconcileVm(parts, vm, watch);
      } catch (fault) {
        parts.log.warn(`vm ${vm.name}: could not be reconciled`, fault);
      }
    }),
  );
  await sweepHost(parts);
}

async function reconcileVm(parts: VmParts, vm: VmRecord, watch: (vm: VmRecord) => void): Promise<void> {
  const { state } = vm;
  if (state.is === 'stopped' && !vm.ephemeral) return;
  parts.log.info(`vm ${vm.name} was ${state.is}${vm.ephemeral ? ' and ephemeral' : ''} when the daemon ended`);
  if (vm.ephemeral || state.is === 'creating' || state.is === 'removing') {
    await killAllOf(parts, vm.id);
    return finishRemove(parts, state.is === 'removing' ? vm : moveVm(parts, vm, { is: 'removing' }));
  }
  if (state.is === 'running') {
    const machine = await parts.driver.adopt(state.machine);
    if (machine) {
      parts.running.set(vm.id, createRunningVm(vm.name, machine, null));
      return watch(vm);
    }
  }
  await killAllOf(parts, vm.id);
  if (state.is === 'running') {
    const at = parts.now().toISOString();
    const message = 'It ended while no daemon watched, for example when the host went down.';
    await finishStop(parts, vm, 'crashed', { code: 'VM_LOST', message, at });
  } else {
    await finishStop(parts, vm, 'killed', vm.fault);
  }
}

/** Processes are known by the vm's runtime folder in their arguments. */
async function killAllOf({ folders }: VmParts, id: string): Promise<void> {
  await Promise.all(findByArgument(`${folders.of(id).runtime}/`).map(killProcess));
}

async function sweepHost(parts: VmParts): Promise<void> {
  const { records, running, folders, log } = parts;
  const lasting = new Set(await listFolder(folders.data));
  for (const id of await listFolder(folders.runtime)) {
    const isUnrecorded = lasting.has(id) && !records.findById(id); // its machine may run
    if (isUnrecorded || running.find(id as VmRecord['id'])) continue;
    log.info(`removing what a run of ${id} left`);
    await killAllOf(parts, id);
    await removeTree(join(folders.runtime, id));
  }
}
