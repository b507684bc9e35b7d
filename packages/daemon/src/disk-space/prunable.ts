/** What may go, as a decision over what was found. */
import type { DiskUse } from '@banger/contract/api/disk-space.ts';

export type Found = Omit<DiskUse, 'describes' | 'comesBackBytes'> & {
  path: string;
  source?: 'catalog' | 'import' | 'registry';
  describes?: string | null;
};

export function isPrunable(
  { kind, usedBy, source }: Pick<Found, 'kind' | 'usedBy' | 'source'>,
  { all = false, isNamed = false } = {},
): boolean {
  if (kind === 'unrecorded') return isNamed; // that it has no record means a lost state, not that nobody needs it
  if (kind === 'vm' || usedBy.length > 0) return false;
  return source !== 'import' || all;
}
