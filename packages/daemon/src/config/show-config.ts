/** The config as the owner API shows it: every value, and where it comes from. */
import type { ConfigShown, Resolved, VmDefaults } from '@banger/contract/api/config.ts';
import type { Config, ConfigDoor } from './config.ts';
import type { KeyPath } from './find-line.ts';

/** Throws CONFIG_INVALID. `resolve` is `resolveVmDefaults` for this host. */
export async function showConfig(
  { path, read }: ConfigDoor,
  resolve: (configured: Config['vmDefaults']) => VmDefaults,
): Promise<ConfigShown> {
  const config = await read();
  const { vmDefaults, fileSync, lineOf } = config;
  const defaults = resolve(vmDefaults);
  return {
    path,
    isThere: config.isThere,
    vmDefaults: {
      cpus: withLine(defaults.cpus, ['vm_defaults', 'cpus']),
      memoryBytes: withLine(defaults.memoryBytes, ['vm_defaults', 'memory']),
      diskBytes: withLine(defaults.diskBytes, ['vm_defaults', 'disk_size']),
      driver: withLine(defaults.driver, ['vm_defaults', 'driver']),
      network: withLine(defaults.network, ['vm_defaults', 'network']),
    },
    sshKey: configured(config.sshKey, ['ssh_key'], 'a key that banger makes'),
    idleStopAfterMs: configured(config.idleStopAfterMs, ['vm', 'idle_stop_after'], 'never'),
    overcommitMemory: {
      ...configured(config.mayOvercommit, ['vm', 'overcommit_memory'], 'with a word when it happens'),
      value: config.mayOvercommit ?? true,
    },
    networkPrivate: {
      ...configured(config.isPrivateOpen, ['network', 'private'], 'unless you say no'),
      value: config.isPrivateOpen !== false,
    },
    networkHostPorts: configured(config.hostPorts, ['network', 'host_ports'], 'none'),
    networkAllow: configured(config.allow, ['network', 'allow'], 'nothing'),
    insecureRegistries: configured(config.insecureRegistries, ['registries', 'insecure'], 'none'),
    hypervisorReleases: configured(config.releases, ['hypervisor', 'releases'], 'banger knows none'),
    insideCaCertificates: inside('ca_certificates', config.inside.caCertificates),
    insideProxy: inside('proxy', config.inside.proxy),
    insideTimeZone: inside('time_zone', config.inside.timeZone),
    fileSync: fileSync.map((entry, index) => ({ ...entry, line: lineOf(['file_sync', index]) })),
  };

  function withLine<Value>(resolved: Resolved<Value>, keys: KeyPath): Resolved<Value> {
    return resolved.from === 'config' ? { ...resolved, why: `line ${lineOf(keys)}` } : resolved;
  }

  function inside(key: string, value: boolean | null): Resolved<boolean> {
    return { ...configured(value, ['inside', key], 'unless you ask for it'), value: value ?? false };
  }

  function configured<Value>(value: Value, keys: KeyPath, otherwise: string): Resolved<Value> {
    if (value === null) return { value, from: 'built-in', why: otherwise };
    return { value, from: 'config', why: `line ${lineOf(keys)}` };
  }
}
