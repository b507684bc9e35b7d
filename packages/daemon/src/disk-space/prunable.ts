/** What may go, as a decision over what was found. */
import type { DiskUse } from '@banger/contract/api/disk-space.ts';

export type Found = Omit<DiskUse, 'describes' | 'comesBackBytes'> & {
  path: string;
  /** `rebuilt`: built from what is still there, and again when it is wanted */
  source?: 'catalog' | 'import' | 'registry' | 'rebuilt';
  /** The next vm is made from it where nobody says otherwise */
  isDefault?: boolean;
  describes?: string | null;
};

type PruneOptions = {
  all?: boolean;
  isNamed?: boolean;
  onlyImages?: boolean;
  /** Vms that are removed before */
  goes?: readonly string[];
};

export function isPrunable(
  { kind, usedBy, source, isDefault = false }: Pick<Found, 'kind' | 'usedBy' | 'source' | 'isDefault'>,
  { all = false, isNamed = false, onlyImages = false, goes = [] }: PruneOptions = {},
): boolean {
  if (kind === 'unrecorded') return isNamed; // that it has no record means a lost state, not that nobody needs it
  if (kind === 'vm' || usedBy.some((vm) => !goes.includes(vm))) return false;
  if (onlyImages && kind !== 'image') return false;
  return all || (source !== 'import' && !isDefault);
}
