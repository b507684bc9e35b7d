/** What may go, as a decision over what was found. */
import type { DiskUse } from '@banger/contract/api/disk-space.ts';

export type Found = DiskUse & { path: string; source?: 'catalog' | 'import' };

export function isPrunable(
  { kind, usedBy, source }: Pick<Found, 'kind' | 'usedBy' | 'source'>,
  { all = false } = {},
): boolean {
  if (kind === 'vm' || usedBy.length > 0) return false;
  return source !== 'import' || all;
}
