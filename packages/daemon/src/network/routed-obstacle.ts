/** Why machines with an address of their own reach nothing but this host, or are not made at all. For a start and the doctor. */
import type { OperationAnswer } from '@banger/contract/privileged/operations.ts';
import type { HelperState } from './choose-network.ts';

type Report = OperationAnswer<'report'>;

/** `uid` is whose machines they would be. */
export function judgeReport(report: Report, uid: number): HelperState {
  return report.owner === uid ? { is: 'ours', obstacle: findObstacle(report) } : { is: 'foreign' };
}

function findObstacle({ hasNft, isForwarding, closedTables }: Report): string | null {
  if (!hasNft) return 'nft is not installed';
  if (!isForwarding) return 'this host passes no packets on (net.ipv4.ip_forward is 0)';
  if (closedTables.length > 0) return `a firewall lets machines through nowhere (${closedTables.join(', ')})`;
  return null;
}
