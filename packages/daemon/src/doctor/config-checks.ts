/** The user's config, and what a vm gets by it. */
import type { Check } from '@banger/contract/api/doctor.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatMib, formatSize } from '@banger/contract/sizes.ts';
import type { ConfigDoor } from '../config/config.ts';
import type { Host } from '../platform/host.ts';
import { resolveVmDefaults } from '../vms/vm-defaults.ts';
import { fail, pass, warn } from './check.ts';

export async function checkConfig(door: ConfigDoor, host: Host): Promise<Check[]> {
  try {
    const config = await door.read();
    const found = pass('config', config.isThere ? door.path : `there is none at ${door.path}, and none is needed`);
    return [found, checkDefaults(host, config.vmDefaults)];
  } catch (thrown) {
    if (!(thrown instanceof BangerError)) throw thrown;
    const hint = thrown.hint && /^Did you mean/.test(thrown.hint) ? ` ${thrown.hint}` : '';
    return [fail('config', `${thrown.message}${hint}`.replace(/[.?]$/, ''), `\${EDITOR:-nano} ${door.path}`)];
  }
}

export function checkDefaults(host: Host, configured: Parameters<typeof resolveVmDefaults>[1]): Check {
  const { cpus, memoryBytes, diskBytes } = resolveVmDefaults(host, configured);
  const text = [
    `${cpus.value} vcpu (${cpus.from}: ${cpus.why})`,
    `${formatMib(memoryBytes.value)} (${memoryBytes.from}: ${memoryBytes.why})`,
    `${formatSize(diskBytes.value)} disk (${diskBytes.from})`,
  ].join(', ');
  if (memoryBytes.value > host.memoryBytes) {
    return fail('vm defaults', `${text}; this host has ${formatMib(host.memoryBytes)}`, 'banger config show');
  }
  if (memoryBytes.value > host.memoryAvailableBytes) {
    return warn('vm defaults', `${text}; only ${formatMib(host.memoryAvailableBytes)} are free now`, 'banger vm ls');
  }
  return pass('vm defaults', text);
}
