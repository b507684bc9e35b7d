/** Why machines with an address of their own reach nothing but this host, or are not made at all. For a start and the doctor. */
import type { OperationAnswer } from '@banger/contract/privileged/operations.ts';
import type { HelperState } from './choose-network.ts';

type Report = OperationAnswer<'report'>;

/** `why` in words, without a full stop */
export type RoutedObstacle = { is: 'no nft' | 'no forwarding' | 'closed tables'; why: string };

/** `uid` is whose machines they would be. */
export function judgeReport(report: Report, uid: number): HelperState {
  if (report.owner !== uid) return { is: 'foreign' };
  return { is: 'ours', obstacle: findRoutedObstacle(report)?.why ?? null };
}

export function findRoutedObstacle({ hasNft, isForwarding, closedTables }: Report): RoutedObstacle | null {
  if (!hasNft) return { is: 'no nft', why: 'nft is not installed' };
  if (!isForwarding) {
    return { is: 'no forwarding', why: 'this host passes no packets on (net.ipv4.ip_forward is 0)' };
  }
  if (closedTables.length === 0) return null;
  return { is: 'closed tables', why: `a firewall lets no machine through (${closedTables.join(', ')})` };
}
