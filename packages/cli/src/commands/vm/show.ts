import type { Vm } from '@banger/contract/api/vms.ts';
import { formatAddress } from '@banger/contract/forward.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { describeIdleStop, describeSize, describeVmState } from '../../describe-vm.ts';
import type { Run } from '../../load-command.ts';
import { formatAge, renderFacts } from '../../output/table.ts';

export const run: Run<'vm show'> = async (cli, input) => {
  const vm = await cli.client.vmShow({ vm: input.arguments.vm });
  if (cli.isJson) cli.printJson(vm);
  else cli.print(renderFacts(factsOf(vm, Date.now())));
  return 0;
};

function factsOf(vm: Vm, nowMs: number): [string, string][] {
  const { state, fault } = vm;
  const facts: [string, string][] = [
    ['name', vm.name],
    ['id', vm.id],
    ['state', describeVmState(vm) + describeIdleStop(vm, nowMs)],
  ];
  if (state.is === 'running') {
    facts.push(['since', formatAge(state.since, nowMs)]);
    const chosen = vm.driver === 'auto' ? ', chosen by auto' : '';
    facts.push(['driver', `${state.driver} (${state.accel}), process ${state.pid}${chosen}`]);
  } else {
    facts.push(['driver', vm.driver]);
  }
  facts.push(['network', describeNetwork(vm)]);
  if (vm.address !== null) facts.push(['address', `${vm.address}${state.is === 'running' ? '' : ', while it runs'}`]);
  if (state.is === 'stopped' && state.why !== 'new') facts.push(['stopped', formatAge(state.at, nowMs)]);
  if (fault !== null) facts.push(['fault', `${fault.message} (${fault.code}), ${formatAge(fault.at, nowMs)}`]);
  facts.push(
    ['image', `${vm.image.name} ${vm.image.digest}`],
    ['kernel', `${vm.kernel.name} ${vm.kernel.digest}`],
    ['size', describeSize(vm)],
    ['disk on host', formatSize(vm.diskAllocatedBytes)],
    ['created', formatAge(vm.createdAt, nowMs)],
  );
  if (vm.fromHost.length > 0) facts.push(['from host', `${vm.fromHost.join(', ')} at each start`]);
  if (vm.publish.length > 0) facts.push(['published', vm.publish.map(describePublished).join(', ')]);
  if (vm.hostPorts.length > 0) facts.push(['host ports', `${vm.hostPorts.join(', ')} at host.banger`]);
  if (vm.allow.length > 0) facts.push(['may reach', `${vm.allow.join(', ')} too`]);
  if (vm.autostart) facts.push(['starts', 'at each boot of the host, where banger is installed for the whole system']);
  if (vm.ephemeral) facts.push(['lasts', 'as long as the command that made it']);
  return facts;
}

/** Of a run, the one that it got */
function describeNetwork({ state, network }: Vm): string {
  if (state.is !== 'running') return network;
  return `${state.network ?? 'none'}${network === 'auto' ? ', chosen by auto' : ''}`;
}

/** "127.0.0.1:8080 is port 80" */
function describePublished({ host, hostPort, guestPort, ifFree }: Vm['publish'][number]): string {
  return `${formatAddress(host, hostPort)}${ifFree ? ', if free,' : ''} is port ${guestPort}`;
}
