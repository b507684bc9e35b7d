/**
 * What is wrong with a running vm. Faults come and go each by itself, several at a time; the record tells the gravest.
 * The others are known to the daemon that watches: one that comes after it finds out anew.
 */
import type { VmId } from '@banger/contract/names.ts';
import type { VmFault } from '../store/records/vms.ts';
import type { VmParts } from './vm-parts.ts';

/** One that is above another explains it: a guest that waits for space does not answer either. */
const GRAVEST_FIRST = ['VM_SILENT', 'DISK_FULL', 'VM_LOST', 'NETWORK_FAILED'];
/** Those that its watch tells and ends; what else there was is told anew by what adopts a vm */
const WATCHED = ['DISK_FULL', 'VM_LOST', 'NETWORK_FAILED'];

type FaultParts = Pick<VmParts, 'records' | 'running' | 'now'>;

/** Does nothing when it is told already, or when the vm does not run. Whether there was something to tell. */
export function raiseFault(parts: FaultParts, id: VmId, { code, message }: Omit<VmFault, 'at'>): boolean {
  if (hasFault(parts, id, code)) return false;
  return change(parts, id, (faults) => [...faults, { code, message, at: parts.now().toISOString() }]);
}

/** Of this kind and no other. Whether there was one. */
export function clearFault(parts: FaultParts, id: VmId, code: string): boolean {
  return hasFault(parts, id, code) && change(parts, id, (faults) => faults.filter((fault) => fault.code !== code));
}

export function hasFault({ running }: Pick<FaultParts, 'running'>, id: VmId, code: string): boolean {
  return running.find(id)?.faults.some((fault) => fault.code === code) ?? false;
}

/** What an earlier daemon wrote down of a vm that was adopted now. */
export function takeOverFaults(parts: FaultParts, id: VmId): void {
  const told = parts.records.findById(id)?.fault;
  change(parts, id, () => (told && WATCHED.includes(told.code) ? [told] : []));
}

function change({ records, running }: FaultParts, id: VmId, to: (faults: VmFault[]) => VmFault[]): boolean {
  const vm = records.findById(id);
  const run = running.find(id);
  if (vm?.state.is !== 'running' || !run) return false;
  run.faults = to(run.faults).sort((a, b) => gravityOf(a) - gravityOf(b));
  const [fault = null] = run.faults;
  if (fault !== vm.fault) records.note({ ...vm, fault });
  return true;
}

function gravityOf({ code }: VmFault): number {
  const place = GRAVEST_FIRST.indexOf(code);
  return place === -1 ? GRAVEST_FIRST.length : place;
}
