import { formatSize } from '@banger/contract/sizes.ts';
import { describeIdleStop, describeVmState } from '../../describe-vm.ts';
import type { Run } from '../../load-command.ts';
import { formatAge, renderTable } from '../../output/table.ts';

const HEADINGS = ['NAME', 'STATE', 'ADDRESS', 'DRIVER', 'IMAGE', 'CPUS', 'MEMORY', 'DISK', 'ON HOST', 'CREATED'];
const ADDRESS = HEADINGS.indexOf('ADDRESS');

export const run: Run<'vm ls'> = async (cli) => {
  const { vms } = await cli.client.vmList();
  if (cli.isJson) {
    cli.printJson({ vms });
    return 0;
  }
  const nowMs = Date.now();
  const rows = vms.map((vm) => [
    vm.name,
    describeVmState(vm) + describeIdleStop(vm, nowMs) + (vm.fault === null ? '' : ` (${vm.fault.code})`),
    vm.address ?? '',
    vm.state.is === 'running' ? vm.state.driver : vm.driver,
    vm.image.name,
    String(vm.cpus),
    formatSize(vm.memoryBytes),
    formatSize(vm.diskBytes),
    formatSize(vm.diskAllocatedBytes),
    formatAge(vm.createdAt, nowMs),
  ]);
  const hasAddresses = vms.some(({ address }) => address !== null);
  const shown = (row: string[]) => (hasAddresses ? row : row.toSpliced(ADDRESS, 1));
  cli.print(renderTable(shown(HEADINGS), rows.map(shown)));
  if (vms.length === 0 && cli.terminal.isStdoutTty) cli.note('There is no vm yet; "banger vm run" makes one.');
  return 0;
};
