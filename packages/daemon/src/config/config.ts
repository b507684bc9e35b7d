/**
 * The door to the user's config file. It is read when something needs it, and again when it has changed, so a broken
 * file stops the commands that need it and never the daemon.
 */
import { constants, open } from 'node:fs/promises';
import type { FileSync } from '@banger/contract/api/config.ts';
import type { DriverChoice, NetworkChoice, Reach } from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { checkTrustedPath } from '@banger/contract/own-folder.ts';
import { OWNER } from '../platform/own-files.ts';
import { findLine, type KeyPath } from './find-line.ts';
import { parseConfig } from './parse-config.ts';

const MAX_FILE_BYTES = 64 * 1024;

export type Config = {
  isThere: boolean;
  /** Absolute; null where the user has not said */
  sshKey: string | null;
  vmDefaults: {
    cpus: number | null;
    memoryBytes: number | null;
    diskBytes: number | null;
    driver: DriverChoice | null;
    network: NetworkChoice | null;
  };
  /** Null is never */
  idleStopAfterMs: number | null;
  /** Whether the vms that run may be promised more memory than there is; null where the user has not said */
  mayOvercommit: boolean | null;
  /** Whether vms reach private networks; null where the user has not said, and then they do */
  isPrivateOpen: boolean | null;
  /** Ports of the host's loopback that vms reach; null where the user has not said, and then none */
  hostPorts: number[] | null;
  /** What vms with an address of their own reach besides the internet; null where the user has not said, and then nothing */
  allow: Reach[] | null;
  /** Registries that may be asked without HTTPS, or with a certificate that nobody vouches for; null where the user has not said, and then none */
  insecureRegistries: string[] | null;
  /** Where the programs of hypervisors are fetched from; null where the user has not said */
  releases: string | null;
  inside: Inside;
  fileSync: FileSync[];
  /** Where a key stands in the file */
  lineOf: (path: KeyPath) => number | null;
};

/** Which of the host's settings vms get at each start. False takes back what a start brought; null leaves it alone. */
export type Inside = { caCertificates: boolean | null; proxy: boolean | null; timeZone: boolean | null };

export type ConfigDoor = ReturnType<typeof createConfig>;

type ConfigParts = { folder: string; home: string };

export function createConfig({ folder, home }: ConfigParts) {
  const path = `${folder}/config.toml`;
  let known: { mark: string; outcome: Config | BangerError } | null = null;
  return { path, read };

  /** What the file says now. Throws CONFIG_INVALID and FOLDER_UNSAFE. */
  async function read(): Promise<Config> {
    checkTrustedPath(path, OWNER); // it names files that go into a guest
    const { mark, text } = await readText(path, known?.mark ?? null);
    if (known === null || known.mark !== mark) known = { mark, outcome: understand(text ?? '', mark !== ABSENT) };
    if (known.outcome instanceof BangerError) throw known.outcome;
    return known.outcome;
  }

  function understand(text: string, isThere: boolean): Config | BangerError {
    try {
      const found = parseConfig({ text, path, home });
      const { ssh_key, vm_defaults = {}, vm = {}, network = {}, hypervisor = {}, inside = {}, file_sync = [] } = found;
      const { registries = {} } = found;
      return {
        isThere,
        sshKey: ssh_key ?? null,
        vmDefaults: {
          cpus: vm_defaults.cpus ?? null,
          memoryBytes: vm_defaults.memory ?? null,
          diskBytes: vm_defaults.disk_size ?? null,
          driver: vm_defaults.driver ?? null,
          network: vm_defaults.network ?? null,
        },
        idleStopAfterMs: vm.idle_stop_after ?? null,
        mayOvercommit: vm.overcommit_memory ?? null,
        isPrivateOpen: network.private ?? null,
        hostPorts: network.host_ports ?? null,
        allow: network.allow ?? null,
        insecureRegistries: registries.insecure ?? null,
        releases: hypervisor.releases ?? null,
        inside: {
          caCertificates: inside.ca_certificates ?? null,
          proxy: inside.proxy ?? null,
          timeZone: inside.time_zone ?? null,
        },
        fileSync: file_sync.map(({ from, to, mode = null }) => ({ from, to, mode })),
        lineOf: (keys) => findLine(text, keys),
      };
    } catch (fault) {
      if (fault instanceof BangerError) return fault;
      throw fault;
    }
  }
}

const ABSENT = 'absent';

/** `text` is null when the file is still the one of `knownMark`. */
async function readText(path: string, knownMark: string | null): Promise<{ mark: string; text: string | null }> {
  try {
    // A named pipe would otherwise keep us waiting for its writer.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat({ bigint: true });
    if (!found.isFile()) throw unreadable(path, 'it is not a file');
    if (found.size > MAX_FILE_BYTES) throw unreadable(path, `it is larger than ${MAX_FILE_BYTES / 1024} KiB`);
    const mark = `${found.dev} ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
    return { mark, text: mark === knownMark ? null : await file.readFile('utf8') };
  } catch (fault) {
    const code = (fault as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return { mark: ABSENT, text: '' };
    if (fault instanceof BangerError) throw fault;
    throw unreadable(path, (fault as Error).message, fault);
  }
}

function unreadable(path: string, reason: string, cause?: unknown): BangerError {
  return new BangerError('CONFIG_INVALID', {
    message: `The config file ${path} cannot be read: ${reason}.`,
    hint: 'Make it a readable file, or move it away.',
    details: { path, line: null },
    cause,
  });
}
