/** A vm in words. */
import type { StopResult, Vm, VmState } from '@banger/contract/api/vms.ts';
import { formatMib, formatSize } from '@banger/contract/sizes.ts';
import { formatSpan } from './output/span.ts';

/** A machine that runs while its guest waits for the host's disk is not told as one that works. */
export function describeVmState({ state, fault }: Pick<Vm, 'state' | 'fault'>): string {
  return state.is === 'running' && fault?.code === 'DISK_FULL' ? 'stalled' : describeState(state);
}

export function describeState(state: VmState): string {
  if (state.is !== 'stopped') return state.is;
  return state.why === 'new' || state.why === 'shut-down' ? 'stopped' : `stopped (${state.why})`;
}

/** ", stops in 12 min"; nothing where it does not stop by itself */
export function describeIdleStop({ idleStopAt }: Vm, nowMs: number): string {
  return idleStopAt === null ? '' : `, stops in ${formatSpan(Date.parse(idleStopAt) - nowMs)}`;
}

/** "2 vcpu · 1024 MiB · 8G disk" */
export function describeSize({ cpus, memoryBytes, diskBytes }: Vm): string {
  return `${cpus} vcpu · ${formatMib(memoryBytes)} · ${formatSize(diskBytes)} disk`;
}

export function describeStop({ how }: StopResult): string {
  if (how === null) return 'was not running';
  return how === 'shut-down' ? 'shut down' : 'killed';
}
