/** Routes of the disk space that banger takes. */
import type { DiskSpaceDoor } from '../disk-space/disk-space.ts';
import type { Operations } from '../operations/operations.ts';
import type { Handlers } from './handlers.ts';

type Parts = { operations: Operations; diskSpace: DiskSpaceDoor };

export function diskSpaceHandlers({ operations, diskSpace }: Parts): Handlers<'diskSpaceShow' | 'diskSpacePrune'> {
  return {
    diskSpaceShow: () => diskSpace.show(),
    diskSpacePrune: (call) => {
      const request = call.body;
      return { operation: operations.begin('system.prune', 'disk', (task) => diskSpace.prune(task, request)) };
    },
  };
}
