/** Whether names of machines resolve on this host, where they may. It is proven by a lookup, or not said. */
import type { Check } from '@banger/contract/api/doctor.ts';
import { BangerError, wordsOf } from '@banger/contract/errors.ts';
import { type NamesSeen, seeNames } from '../names/see-names.ts';
import { Task } from '../platform/task.ts';
import { createPrivileged, refusalOf } from '../privileged/privileged.ts';
import type { Settings } from '../settings.ts';
import { pass, warn } from './check.ts';
import type { State } from './read-state.ts';

const LIMIT_MS = 5000;
/** The daemon that systemd starts has port 53, and tells the host anew. */
const RESTART = 'sudo banger system restart';
const RESOLVED = 'sudo apt-get install systemd-resolved';

/** Nothing where there is no root helper, or one that is another user's: its own check tells of it. */
export async function checkNames({ rootSocket, hostRoot }: Settings, { records }: State): Promise<Check[]> {
  const task = Task.background().within(LIMIT_MS);
  try {
    const { names } = await createPrivileged({ socketPath: rootSocket }).ask(task, 'list', {});
    if (names.length > 0) return [judgeNames(names, await seeNames(task, names, { hostRoot }))];
    return [judgeUnpublished((records?.vms ?? []).some(({ place }) => place !== null))];
  } catch (fault) {
    if (fault instanceof BangerError && fault.code === 'HELPER_MISSING') return [];
    if (refusalOf(fault)?.code === 'NOT_ALLOWED') return [];
    return [warn('names', `it cannot be told whether they resolve: ${wordsOf(fault)}`, RESTART)];
  }
}

export function judgeUnpublished(areThereMachines: boolean): Check {
  if (!areThereMachines) return pass('names', 'no vm has an address of its own yet; with the first one <vm>.vm begins');
  return warn('names', 'this host asks nobody for <vm>.vm: no daemon could answer so far', RESTART);
}

export function judgeNames(addresses: readonly string[], { silent, resolvesTo, asks }: NamesSeen): Check {
  if (silent.length > 0) return warn('names', `nobody answers for <vm>.vm at ${silent.join(' and ')}`, RESTART);
  if (resolvesTo !== null && addresses.includes(resolvesTo)) {
    return pass('names', `<vm>.vm is asked of banger, at ${resolvesTo}`);
  }
  const elsewhere = resolvesTo === null ? '' : `; somebody else says ${resolvesTo} for _names.vm`;
  switch (asks) {
    case 'resolved':
      return warn('names', `systemd-resolved does not ask banger for <vm>.vm${elsewhere}`, RESTART);
    case 'resolved-unused':
      return warn(
        'names',
        `systemd-resolved runs, and the programs of this host ask others for <vm>.vm${elsewhere}`,
        'sudo ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf',
      );
    case 'network-manager-dnsmasq':
      return warn(
        'names',
        `the dnsmasq of NetworkManager does not ask banger for <vm>.vm${elsewhere}`,
        `echo server=/vm/${addresses.at(-1)} | sudo tee /etc/NetworkManager/dnsmasq.d/banger.conf && sudo nmcli general reload dns-full`,
      );
    case 'network-manager':
      return warn(
        'names',
        `NetworkManager alone cannot ask banger for <vm>.vm and others for the rest${elsewhere}; with systemd-resolved it can`,
        `${RESOLVED} && sudo systemctl reload NetworkManager`,
      );
    case 'others':
      return warn(
        'names',
        `this host cannot ask banger for <vm>.vm and others for the rest${elsewhere}; with systemd-resolved it can`,
        RESOLVED,
      );
  }
}
