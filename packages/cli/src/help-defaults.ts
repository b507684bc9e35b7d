/** What a vm gets when nobody says, for the help of the commands that make one. */
import type { Resolved } from '@banger/contract/api/config.ts';
import { cleanLine } from '@banger/contract/clean-text.ts';
import { toBangerError } from '@banger/contract/errors.ts';
import { formatMib, formatSize } from '@banger/contract/sizes.ts';
import type { Client } from '@banger/sdk/connect.ts';
import type { FlagNotes } from './help.ts';
import { readConfig } from './read-config.ts';

export function hasDefaults(words: readonly string[]): boolean {
  return words[0] === 'vm' && (words[1] === 'run' || words[1] === 'create');
}

/** Help is shown whatever is wrong with the config, and says so. */
export async function readDefaultNotes(runningClient: Client): Promise<FlagNotes> {
  try {
    const { cpus, memoryBytes, diskBytes, driver, network } = (await readConfig(runningClient)).vmDefaults;
    return {
      cpus: describe(cpus, String),
      memory: describe(memoryBytes, formatMib),
      'disk-size': describe(diskBytes, formatSize),
      driver: describe(driver, String),
      network: describe(network, String),
    };
  } catch (thrown) {
    const note = `the default is not known: ${cleanLine(toBangerError(thrown).message)}`;
    return { cpus: note, memory: note, 'disk-size': note, driver: note, network: note };
  }
}

/** "default 1024 MiB (host: an eighth of the memory)" */
function describe<Value>({ value, from, why }: Resolved<Value>, format: (value: Value) => string): string {
  return `default ${format(value)} (${from}: ${why})`;
}
