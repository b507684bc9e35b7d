/** Whether machines get addresses of their own here, and what keeps them from it. */
import type { Check } from '@banger/contract/api/doctor.ts';
import { BangerError, wordsOf } from '@banger/contract/errors.ts';
import type { OperationAnswer } from '@banger/contract/privileged/operations.ts';
import { SUBNET_BITS, SUBNETS } from '@banger/contract/privileged/places.ts';
import { findRoutedObstacle, type RoutedObstacle } from '../network/routed-obstacle.ts';
import { OWNER } from '../platform/own-files.ts';
import { Task } from '../platform/task.ts';
import { createPrivileged, refusalOf } from '../privileged/privileged.ts';
import { pass, warn } from './check.ts';
import type { State } from './read-state.ts';

/** Of a helper that systemd may have to start first */
const ASK_LIMIT_MS = 5000;

export type HelperFound =
  | { is: 'absent' }
  | { is: 'foreign' }
  | { is: 'broken'; why: string }
  | { is: 'there'; report: OperationAnswer<'report'>; subnets: OperationAnswer<'list'>['subnets'] };

type Kept = { name: string; subnet: number }[];

export async function checkAddresses(rootSocket: string, { records }: State): Promise<Check[]> {
  const kept = (records?.vms ?? []).flatMap(({ name, place }) => (place ? [{ name, subnet: place.subnet }] : []));
  return [judgeAddresses(await findHelper(rootSocket), kept, OWNER.uid)];
}

async function findHelper(socketPath: string): Promise<HelperFound> {
  const helper = createPrivileged({ socketPath });
  const task = Task.background().within(ASK_LIMIT_MS);
  try {
    const report = await helper.ask(task, 'report', {});
    const { subnets } = await helper.ask(task, 'list', {});
    return { is: 'there', report, subnets };
  } catch (fault) {
    if (fault instanceof BangerError && fault.code === 'HELPER_MISSING') return { is: 'absent' };
    if (refusalOf(fault)?.code === 'NOT_ALLOWED') return { is: 'foreign' };
    return { is: 'broken', why: wordsOf(fault) };
  }
}

const RELOAD = 'sudo systemctl restart banger-root.service';
const FIXES: Record<RoutedObstacle['is'], string> = {
  'no nft': 'sudo apt-get install nftables',
  // The install has switched it on for each boot: what has switched it off may do so again.
  'no forwarding': 'sudo sysctl -w net.ipv4.ip_forward=1',
  // firewalld alone keeps a table to itself.
  'closed tables':
    "sudo sed -i 's/^NftablesTableOwner=.*/NftablesTableOwner=no/' /etc/firewalld/firewalld.conf && sudo systemctl restart firewalld",
};

export function judgeAddresses(found: HelperFound, kept: Kept, uid: number): Check {
  if (found.is === 'absent') {
    return pass('addresses', 'vms have none of their own, since there is no root helper: they are behind this host');
  }
  if (found.is === 'broken') return warn('addresses', `the root helper does not answer: ${found.why}`, RELOAD);
  if (found.is === 'foreign' || found.report.owner !== uid) {
    return pass('addresses', 'vms of yours have none of their own: the root helper is for another user');
  }
  const obstacle = findRoutedObstacle(found.report);
  if (obstacle) return warn('addresses', `vms get none of their own: ${obstacle.why}`, FIXES[obstacle.is]);
  const free = found.subnets.filter(({ claimedBy }) => claimedBy === null);
  if (free.length === 0) {
    return warn(
      'addresses',
      `vms get none of their own: ${describe(found.subnets[0])}, and so it is with every other network`,
    );
  }
  const lost = found.subnets.find(({ subnet, claimedBy }) => claimedBy && kept.some((vm) => vm.subnet === subnet));
  if (lost) {
    const names = kept.filter((vm) => vm.subnet === lost.subnet).map(({ name }) => name);
    const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
    const text = `${names.slice(0, 3).join(', ')}${more} get other ones at their next start: ${describe(lost)}`;
    return warn('addresses', text, `banger vm restart ${names[0]}`);
  }
  return pass('addresses', `the root helper ${found.report.version} gives each vm one of its own`);
}

/** "this host has a route into 10.213.64.0/20 (10.0.0.0/8 dev tun0)" */
function describe(claimed: { subnet: number; claimedBy: string | null } | undefined): string {
  return `this host has a route into ${SUBNETS[claimed?.subnet ?? 0]}/${SUBNET_BITS} (${claimed?.claimedBy})`;
}
