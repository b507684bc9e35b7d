/**
 * Refuses what the host cannot hold, before the host's out-of-memory killer chooses for us.
 *
 * A machine takes memory as its guest uses it, and gives back what the guest frees, so those that run may together be
 * promised more than the host has: banger says so, or refuses when the config asks for that.
 */
import { BangerError } from '@banger/contract/errors.ts';
import { formatMib } from '@banger/contract/sizes.ts';
import type { Host } from '../platform/host.ts';
import type { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';

/** Throws NOT_ENOUGH_MEMORY for what this host could never hold. */
export function checkMemory(wantedBytes: number, { memoryBytes }: Host): void {
  if (wantedBytes > memoryBytes) throw notEnough(wantedBytes, memoryBytes, 'has');
}

type Promised = { host: Host; all: readonly VmRecord[]; mayOvercommit: boolean };

/** Before a start. Throws NOT_ENOUGH_MEMORY for what the host does not have free, or may not promise. */
export function checkFreeMemory(task: Task, vm: VmRecord, { host, all, mayOvercommit }: Promised): void {
  if (vm.memoryBytes > host.memoryAvailableBytes) {
    throw notEnough(vm.memoryBytes, host.memoryAvailableBytes, 'has free');
  }
  const others = all.filter(({ id, state }) => id !== vm.id && ['starting', 'running', 'stopping'].includes(state.is));
  const promisedBytes = others.reduce((sum, { memoryBytes }) => sum + memoryBytes, vm.memoryBytes);
  if (promisedBytes <= host.memoryBytes) return;
  const promise = `${others.length + 1} running vms may take ${formatMib(promisedBytes)} of memory; this host has ${formatMib(host.memoryBytes)}`;
  if (mayOvercommit) {
    task.note(`The ${promise}. If they use all of it, the host kills some of them.`);
    return;
  }
  throw new BangerError('NOT_ENOUGH_MEMORY', {
    message: `With "${vm.name}" ${promise}.`,
    hint: 'Stop another vm, give this one less with "banger vm set --memory", or set overcommit_memory in the config.',
    details: { promisedBytes, hostBytes: host.memoryBytes },
  });
}

/** `hostHas` reads in the message: 'has' for all memory, 'has free' for what is available now. */
function notEnough(wantedBytes: number, hostBytes: number, hostHas: 'has' | 'has free'): BangerError {
  return new BangerError('NOT_ENOUGH_MEMORY', {
    message: `The vm asks for ${formatMib(wantedBytes)} of memory; this host ${hostHas} ${formatMib(hostBytes)}.`,
    hint: 'Give it less with --memory, or stop other vms first.',
    details: { wantedBytes, hostBytes },
  });
}
