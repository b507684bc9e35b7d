/** A vm in words. */
import type { StopResult, Vm, VmState } from '@banger/contract/api/vms.ts';
import { formatMib, formatSize } from '@banger/contract/sizes.ts';

export function describeState(state: VmState): string {
  if (state.is !== 'stopped') return state.is;
  return state.why === 'new' || state.why === 'shut-down' ? 'stopped' : `stopped (${state.why})`;
}

/** "2 vcpu · 1024 MiB · 8G disk" */
export function describeSize({ cpus, memoryBytes, diskBytes }: Vm): string {
  return `${cpus} vcpu · ${formatMib(memoryBytes)} · ${formatSize(diskBytes)} disk`;
}

export function describeStop({ how }: StopResult): string {
  if (how === null) return 'was not running';
  return how === 'shut-down' ? 'shut down' : 'killed';
}
