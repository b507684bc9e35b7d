/** What runs of vms have left on this host; the next daemon removes it when it starts. */
import { join } from 'node:path';
import type { Check } from '@banger/contract/api/doctor.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { listFolder } from '../platform/files.ts';
import { findStarted } from '../platform/started.ts';
import { createVmFolders } from '../store/vm-folders.ts';
import { pass, warn } from './check.ts';
import type { State } from './read-state.ts';

export async function checkLeftovers(paths: BangerPaths, { records }: State): Promise<Check[]> {
  if (records === null) return [warn('leftovers', 'not checked: the state cannot be read')];
  const folders = createVmFolders({ dataFolder: paths.data, runtimeFolder: paths.runtime });
  const recorded = new Set<string>(records.vms.map(({ id }) => id));
  const unrecorded = (await listFolder(folders.data)).filter((id) => !recorded.has(id)); // their machines may run
  const mayRun = new Set<string>([
    ...records.vms.flatMap(({ id, state }) => (state.is === 'stopped' ? [] : [id])),
    ...unrecorded,
  ]);
  const found = [
    ...(await listFolder(folders.runtime)).filter((id) => !mayRun.has(id)).map((id) => join(folders.runtime, id)),
    ...records.vms.flatMap(({ id, state }) =>
      state.is === 'stopped' ? findStarted(folders.of(id).runtime).map(({ pid }) => `process ${pid}`) : [],
    ),
  ];
  if (found.length === 0) return [pass('leftovers', 'runs of vms left nothing')];
  const shown = found.slice(0, 3).join(', ') + (found.length > 3 ? ` and ${found.length - 3} more` : '');
  return [warn('leftovers', `runs of vms left ${shown}`, 'banger daemon stop; banger daemon start')];
}
