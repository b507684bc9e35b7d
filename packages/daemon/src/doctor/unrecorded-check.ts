/** Folders that the state knows nothing of: a sign that it was lost, or of files that somebody else put there. */
import type { Check } from '@banger/contract/api/doctor.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { describeUnrecorded, findUnrecorded } from '../recover/unrecorded.ts';
import { pass, warn } from './check.ts';
import type { State } from './read-state.ts';

export function checkUnrecorded(paths: BangerPaths, { records }: State): Check[] {
  if (records === null) return [warn('unrecorded', 'not checked: the state cannot be read')];
  const found = findUnrecorded(paths, records);
  if (found.length === 0) return [pass('unrecorded', 'every folder of a vm, an image or a kernel has a record')];
  const described = found.map((each) => describeUnrecorded(each) ?? each.name);
  const shown = described.slice(0, 3).join(', ') + (found.length > 3 ? ` and ${found.length - 3} more` : '');
  const canRecover = found.some((each) => describeUnrecorded(each) !== null);
  return [
    warn(
      'unrecorded',
      `${shown}: there is no record of it, and it stays where it is`,
      canRecover ? 'banger daemon stop; banger system recover' : 'banger system df',
    ),
  ];
}
