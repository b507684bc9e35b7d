/** Whether names of machines resolve on this host, where they may. */
import type { Check } from '@banger/contract/api/doctor.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { type NamesSeen, seeNames } from '../names/see-names.ts';
import { Task } from '../platform/task.ts';
import { createPrivileged } from '../privileged/privileged.ts';
import type { Settings } from '../settings.ts';
import { pass, warn } from './check.ts';

const LIMIT_MS = 5000;

/** Nothing where there is no root helper, of which its own check tells. */
export async function checkNames({ rootSocket, hostRoot }: Settings): Promise<Check[]> {
  const task = Task.background().withSignal(AbortSignal.timeout(LIMIT_MS));
  try {
    const { names } = await createPrivileged({ socketPath: rootSocket }).ask(task, 'list', {});
    return [names === null ? judgeUnpublished() : judgeNames(names, await seeNames(names, hostRoot))];
  } catch (fault) {
    if (fault instanceof BangerError && fault.code === 'HELPER_MISSING') return [];
    throw fault;
  }
}

function judgeUnpublished(): Check {
  return warn('names', 'nobody is asked for <vm>.vm: no daemon has begun to answer', 'sudo systemctl restart bangerd');
}

export function judgeNames(address: string, { isAnswered, resolvesTo, asks }: NamesSeen): Check {
  if (!isAnswered) {
    return warn(
      'names',
      `nobody answers for <vm>.vm at ${address}`,
      'sudo systemctl restart bangerd-names.socket bangerd',
    );
  }
  if (resolvesTo === address) return pass('names', `<vm>.vm is asked of banger, at ${address}`);
  if (resolvesTo !== null) {
    return warn('names', `somebody else answers this host for <vm>.vm: _names.vm is ${resolvesTo}, and not ${address}`);
  }
  switch (asks) {
    case 'resolved':
      return warn('names', 'systemd-resolved does not ask banger for <vm>.vm', 'sudo systemctl restart bangerd');
    case 'resolved-unused':
      return warn(
        'names',
        'systemd-resolved runs, and the programs of this host ask others',
        'sudo ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf',
      );
    case 'network-manager':
      return warn(
        'names',
        `NetworkManager asks others for <vm>.vm; its dnsmasq can ask banger (dns=dnsmasq)`,
        `echo 'server=/vm/${address}' | sudo tee /etc/NetworkManager/dnsmasq.d/banger.conf`,
      );
    case 'others':
      return warn(
        'names',
        'this host cannot ask different servers for different names; systemd-resolved can',
        'sudo apt-get install systemd-resolved',
      );
  }
}
