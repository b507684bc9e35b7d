/** What is installed for the whole system, in words. */
import type { Installation } from '@banger/contract/api/installation.ts';
import { cleanLine } from '@banger/contract/clean-text.ts';
import { VERSION } from '@banger/contract/version.ts';
import { renderFacts } from './output/table.ts';

export function describeInstallation({ installed, units, notes }: Installation): string {
  if (installed === null)
    return 'banger is not installed for the whole system; "sudo banger system install" does that.\n';
  const { version, owner, installedAt, isComplete, changed } = installed;
  const told = [
    ...(isComplete ? [] : ['It was cut off: "sudo banger system install" finishes it, "uninstall" takes it away.']),
    ...(version === VERSION ? [] : [`This command has version ${VERSION}: "sudo banger system install" brings it.`]),
    ...changed.map((path) => `${path} is not as it was written: "sudo banger system install" writes it anew.`),
    ...notes,
  ];
  return [
    renderFacts([
      ['version', version],
      ['owner', `${owner.name} (uid ${owner.uid})`],
      ['installed', installedAt],
      ...units.map(({ name, active, enabled }): [string, string] => [name, `${active}, ${enabled}`]),
    ]),
    ...told.map((line) => `${cleanLine(line)}\n`),
  ].join('');
}

/** The system's daemon and the one that answers the owner's commands are one, unless something is wrong. */
export function noteDaemons(systems: number | null, own: number | null): string[] {
  if (systems === own) return [];
  if (own === null) {
    return [
      `The system's daemon is process ${systems}, but nobody answers where this command asks: your XDG variables lead ` +
        'elsewhere, and the next command starts a daemon of its own there.',
    ];
  }
  if (systems === null) {
    return [
      `The daemon that answers you, process ${own}, was started by a command, and the system's does not run: ` +
        '"sudo banger system restart" lets it take over.',
    ];
  }
  return [
    `Two daemons run: the system's is process ${systems}, and yours, process ${own}, is where your XDG variables lead. Each ` +
      "has its own machines; without the variables your commands use the system's.",
  ];
}
