/** Routes of the disk space that banger takes. */
import { pruneSchema } from '@banger/contract/api/disk-space.ts';
import type { DiskSpaceDoor } from '../disk-space/disk-space.ts';
import type { Operations } from '../operations/operations.ts';
import type { Handlers } from './handlers.ts';

type Parts = { operations: Operations; diskSpace: DiskSpaceDoor };

export function diskSpaceHandlers({ operations, diskSpace }: Parts): Handlers<'diskSpaceShow' | 'diskSpacePrune'> {
  return {
    diskSpaceShow: () => diskSpace.show(),
    diskSpacePrune: async (call) => {
      const request = await call.body(pruneSchema);
      return { operation: operations.begin('system.prune', 'disk', (task) => diskSpace.prune(task, request)) };
    },
  };
}
