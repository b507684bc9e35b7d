/** What was brought into which vm: what its changes are told against. A vm's rows go with the vm. */
import type { DatabaseSync } from 'node:sqlite';
import { isVmId, type VmId } from '@banger/contract/names.ts';
import { z } from 'zod';
import { createTable } from '../table.ts';
import type { Writes } from '../writes.ts';

const gitId = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, 'it is no id of git');

export const workspaceRecordSchema = z.object({
  vmId: z.string().refine(isVmId, 'it is no id of a vm'),
  /** In the guest */
  path: z.string().startsWith('/'),
  repoPath: z.string().startsWith('/'),
  /** Null when the repository had no commit yet */
  baseCommit: gitId.nullable(),
  tree: gitId,
  hasGit: z.boolean(),
  importedAt: z.iso.datetime(),
});

export type WorkspaceRecord = z.infer<typeof workspaceRecordSchema>;
export type WorkspaceRecords = ReturnType<typeof createWorkspaceRecords>;

export function createWorkspaceRecords(database: DatabaseSync, writes: Writes) {
  const table = createTable<WorkspaceRecord>({
    ...{ database, writes, name: 'workspaces', key: ['vmId', 'path'], schema: workspaceRecordSchema },
    flags: ['hasGit'],
  });
  return {
    list: (vmId: VmId): WorkspaceRecord[] =>
      table
        .list()
        .filter((row) => row.vmId === vmId)
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
    put: table.put,
    /** The database removes them with the vm's row */
    forget: (vmId: VmId) => table.forgetWhere((row) => row.vmId === vmId),
    damaged: table.damaged,
  };
}
