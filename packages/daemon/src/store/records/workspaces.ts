/** What was brought into which vm: what its changes are told against. A vm's rows go with the vm. */
import type { DatabaseSync } from 'node:sqlite';

export type WorkspaceRecord = {
  vmId: string;
  /** In the guest */
  path: string;
  repoPath: string;
  baseCommit: string | null;
  tree: string;
  hasGit: boolean;
  importedAt: string;
};

type Row = Omit<WorkspaceRecord, 'hasGit'> & { hasGit: number };

export type WorkspaceRecords = ReturnType<typeof createWorkspaceRecords>;

export function createWorkspaceRecords(database: DatabaseSync) {
  const ofVm = database.prepare(
    `SELECT vm_id AS vmId, path, repo_path AS repoPath, base_commit AS baseCommit, tree, has_git AS hasGit,
       imported_at AS importedAt FROM workspaces WHERE vm_id = ? ORDER BY path`,
  );
  const put = database.prepare(
    `INSERT OR REPLACE INTO workspaces (vm_id, path, repo_path, base_commit, tree, has_git, imported_at)
     VALUES (:vmId, :path, :repoPath, :baseCommit, :tree, :hasGit, :importedAt)`,
  );
  return {
    list: (vmId: string): WorkspaceRecord[] =>
      (ofVm.all(vmId) as Row[]).map((row) => ({ ...row, hasGit: row.hasGit === 1 })),
    put: (record: WorkspaceRecord) => void put.run({ ...record, hasGit: record.hasGit ? 1 : 0 }),
  };
}
