/** What vms take, as people read it: a table of one sample. */
import type { Counter, StatsSample, VmUsage } from '@banger/contract/api/stats.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { renderTable } from './output/table.ts';

const HEADINGS = ['NAME', 'STATE', 'CPU', 'MEMORY', 'DISK', 'READ', 'WRITTEN', 'RECEIVED', 'SENT'];
const UNKNOWN = '-';

export function renderUsage({ vms }: StatsSample): string {
  return renderTable(HEADINGS, vms.map(rowOf));
}

function rowOf({ name, state, cpus, memoryBytes, diskBytes, diskAllocatedBytes, machine }: VmUsage): string[] {
  return [
    name,
    state,
    describeCpu(machine?.cpuMs, cpus),
    `${machine ? formatSize(machine.residentBytes) : UNKNOWN} of ${formatSize(memoryBytes)}`,
    `${formatSize(diskAllocatedBytes)} of ${formatSize(diskBytes)}`,
    describeRate(machine?.diskReadBytes),
    describeRate(machine?.diskWrittenBytes),
    describeRate(machine?.receivedBytes),
    describeRate(machine?.sentBytes),
  ];
}

/** 1500 ms of a processor a second are "150%". */
function describeCpu(cpuMs: Counter | undefined, cpus: number): string {
  const perSecond = cpuMs?.perSecond ?? null;
  return `${perSecond === null ? UNKNOWN : `${Math.round(perSecond / 10)}%`} of ${cpus * 100}%`;
}

function describeRate(counter: Counter | null | undefined): string {
  const perSecond = counter?.perSecond ?? null;
  return perSecond === null ? UNKNOWN : `${formatSize(Math.round(perSecond))}/s`;
}
