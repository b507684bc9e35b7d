/** What the stories of a workspace are told with. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import type { VmId, VmName } from '@banger/contract/names.ts';
import type { Guest } from '../guest/guest.ts';
import type { Log } from '../platform/log.ts';
import type { Task } from '../platform/task.ts';
import type { WorkspaceRecord, WorkspaceRecords } from '../store/records/workspaces.ts';
import type { VmFolders } from '../store/vm-folders.ts';
import type { Git } from './git.ts';
import type { KeptReadings } from './kept-readings.ts';

export type WorkspaceVm = { id: VmId; name: VmName };

export type WorkspaceParts = {
  git: Git;
  records: Pick<WorkspaceRecords, 'list'> & {
    /** Durable when it resolves, in the state and in the folder of the vm */
    put(record: WorkspaceRecord): Promise<void>;
  };
  folders: VmFolders;
  vms: {
    find(nameOrId: string): WorkspaceVm;
    guest(task: Task, nameOrId: string): Promise<Guest>;
    imageConfig(nameOrId: string): Pick<ImageConfig, 'user'> | null;
  };
  /** Where a plan without a vm is made, and removed again */
  scratchFolder: string;
  kept: KeptReadings;
  log: Log;
  now: () => Date;
  limits: WorkspaceLimits;
};

export type WorkspaceLimits = {
  /** Bytes of one transfer from a guest */
  packBytes: number;
  /** What its objects may come to, unpacked */
  unpackedBytes: number;
  objects: number;
  commits: number;
  /** Of a diff or a patch, as text */
  diffBytes: number;
};

export const WORKSPACE_LIMITS: WorkspaceLimits = {
  packBytes: 4 * 1024 ** 3,
  unpackedBytes: 16 * 1024 ** 3,
  objects: 500_000,
  commits: 20_000,
  diffBytes: 256 * 1024 ** 2,
};

/** The lens of a workspace lasts as long as its vm: it holds what was uncommitted when it was brought in. */
export function lensFolder({ folders }: Pick<WorkspaceParts, 'folders'>, vmId: VmId, path: string): string {
  const name = createHash('sha256').update(path).digest('hex').slice(0, 16);
  return join(workspacesFolder({ folders }, vmId), name);
}

/** Goes with the vm's other files. */
export function workspacesFolder({ folders }: Pick<WorkspaceParts, 'folders'>, vmId: VmId): string {
  return join(folders.of(vmId).data, 'workspaces');
}

/** What a transfer that was cut off leaves beside the lenses. */
export function isHalfMade(name: string): boolean {
  return name.startsWith(QUARANTINE) || name.endsWith(NEW_LENS);
}

export const QUARANTINE = 'quarantine-';
export const NEW_LENS = '.new';
