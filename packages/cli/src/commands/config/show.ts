import type { ConfigShown, Resolved } from '@banger/contract/api/config.ts';
import { formatMib, formatSize } from '@banger/contract/sizes.ts';
import type { Run } from '../../load-command.ts';
import { formatSpan } from '../../output/span.ts';
import { renderTable } from '../../output/table.ts';
import { readConfig } from '../../read-config.ts';

export const run: Run<'config show'> = async (cli) => {
  const shown = await readConfig(cli.runningClient);
  if (cli.isJson) cli.printJson(shown);
  else cli.print(`${shown.path}${shown.isThere ? '' : ' (not there)'}\n\n${renderTable(HEADINGS, rowsOf(shown))}`);
  return 0;
};

const HEADINGS = ['KEY', 'VALUE', 'FROM'];

function rowsOf(shown: ConfigShown): string[][] {
  const { vmDefaults, sshKey, idleStopAfterMs, overcommitMemory, networkPrivate, networkHostPorts, fileSync } = shown;
  return [
    ['vm_defaults.cpus', String(vmDefaults.cpus.value), describeOrigin(vmDefaults.cpus)],
    ['vm_defaults.memory', formatMib(vmDefaults.memoryBytes.value), describeOrigin(vmDefaults.memoryBytes)],
    ['vm_defaults.disk_size', formatSize(vmDefaults.diskBytes.value), describeOrigin(vmDefaults.diskBytes)],
    ['vm_defaults.driver', vmDefaults.driver.value, describeOrigin(vmDefaults.driver)],
    ['vm_defaults.network', vmDefaults.network.value, describeOrigin(vmDefaults.network)],
    ['ssh_key', sshKey.value ?? '-', describeOrigin(sshKey)],
    [
      'vm.idle_stop_after',
      idleStopAfterMs.value === null ? '-' : formatSpan(idleStopAfterMs.value),
      describeOrigin(idleStopAfterMs),
    ],
    ['vm.overcommit_memory', String(overcommitMemory.value), describeOrigin(overcommitMemory)],
    ['network.private', String(networkPrivate.value), describeOrigin(networkPrivate)],
    ['network.host_ports', networkHostPorts.value?.join(', ') ?? '-', describeOrigin(networkHostPorts)],
    ['network.allow', shown.networkAllow.value?.join(', ') ?? '-', describeOrigin(shown.networkAllow)],
    [
      'registries.insecure',
      shown.insecureRegistries.value?.join(', ') ?? '-',
      describeOrigin(shown.insecureRegistries),
    ],
    ['hypervisor.releases', shown.hypervisorReleases.value ?? '-', describeOrigin(shown.hypervisorReleases)],
    ['inside.ca_certificates', String(shown.insideCaCertificates.value), describeOrigin(shown.insideCaCertificates)],
    ['inside.proxy', String(shown.insideProxy.value), describeOrigin(shown.insideProxy)],
    ['inside.time_zone', String(shown.insideTimeZone.value), describeOrigin(shown.insideTimeZone)],
    ...fileSync.map(({ from, to, mode, line }) => [
      'file_sync',
      `${from} to ${to}${mode === null ? '' : ` (${mode.toString(8).padStart(4, '0')})`}`,
      `config (line ${line})`,
    ]),
  ];
}

export function describeOrigin({ from, why }: Resolved<unknown>): string {
  return `${from} (${why})`;
}
