/**
 * What the daemon does first: it compares its records with the host, and finishes or undoes what was cut off.
 *
 * | recorded as | what is done |
 * |---|---|
 * | creating | undone: nobody was told that the vm exists |
 * | starting, stopping | killed, then stopped |
 * | running | adopted when its machine answers, waited for while it lives, else stopped as crashed |
 * | removing | removed |
 * | ephemeral, any state | removed: whoever it was for is gone |
 *
 * Then what a run left goes, when its vm no longer runs or its files are gone, and each capability clears its own. What lasts, a folder below `vms` that has
 * no record, is never removed here: it means that the state was lost, not that the vm was. A fault with one vm is logged
 * and does not keep the others, or the daemon, from coming up.
 */
import { join } from 'node:path';
import { isVmId } from '@banger/contract/names.ts';
import { listFolder } from '../platform/files.ts';
import { removeRun } from '../platform/remove-run.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { adoptVm, isRunning } from './adopt-vm.ts';
import { finishRemove } from './remove-vm.ts';
import { finishStop } from './stop-vm.ts';
import { killRun, moveVm, type VmParts } from './vm-parts.ts';

type Found = {
  /** It runs, and is ours to watch */
  adopted: (vm: VmRecord) => void;
  /** It runs, and does not answer yet */
  silent: (vm: VmRecord) => void;
};

export async function reconcile(parts: VmParts, found: Found): Promise<void> {
  await Promise.all(
    parts.records.list().map(async (vm) => {
      try {
        await reconcileVm(parts, vm, found);
      } catch (fault) {
        parts.log.warn(`vm ${vm.name}: could not be reconciled`, fault);
      }
    }),
  );
  await sweepHost(parts);
  await sweepCapabilities(parts);
}

async function reconcileVm(parts: VmParts, vm: VmRecord, found: Found): Promise<void> {
  const { state } = vm;
  if (state.is === 'stopped' && !vm.ephemeral) return;
  parts.log.info(`vm ${vm.name} was ${state.is}${vm.ephemeral ? ' and ephemeral' : ''} when the daemon ended`);
  if (vm.ephemeral || state.is === 'creating' || state.is === 'removing') {
    await killRun(parts, vm.id);
    return finishRemove(parts, state.is === 'removing' ? vm : moveVm(parts, vm, { is: 'removing' }));
  }
  if (isRunning(vm)) {
    const adopted = await adoptVm(parts, vm);
    return adopted ? found.adopted(adopted) : found.silent(vm);
  }
  await killRun(parts, vm.id);
  await finishStop(parts, vm, 'killed', vm.fault);
}

async function sweepHost(parts: VmParts): Promise<void> {
  const { records, running, folders, log } = parts;
  const lasting = new Set(await listFolder(folders.data));
  for (const id of (await listFolder(folders.runtime)).filter(isVmId)) {
    const isUnrecorded = lasting.has(id) && !records.findById(id); // its machine may run
    if (isUnrecorded || running.has(id)) continue;
    log.info(`removing what a run of ${id} left`);
    await killRun(parts, id);
    await removeRun(join(folders.runtime, id));
  }
}

/** A vm whose state was lost is known by its folder. */
async function sweepCapabilities({ records, folders, capabilities, log }: VmParts): Promise<void> {
  const lasting = (await listFolder(folders.data)).filter(isVmId);
  const known = new Set([...records.list().map(({ id }) => id), ...lasting]);
  for (const { name, sweep } of capabilities) {
    await sweep?.(known).catch((fault) => log.warn(`${name}: what belongs to no vm could not be cleared`, fault));
  }
}
