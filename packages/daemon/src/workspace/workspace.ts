/**
 * The door to workspaces: a git repository goes into a vm, and its changes come back.
 *
 * Nothing is mounted. The owner's repository is only read, except that an export adds objects and one branch, after all
 * of it was checked. What the guest sends is hostile: it is bounded, and looked at in a quarantine of its own. Work on
 * one vm's workspaces queues.
 */
import { join } from 'node:path';
import type {
  workspaceExportSchema,
  workspaceImportSchema,
  workspacePlanSchema,
} from '@banger/contract/api/workspaces.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { VmId } from '@banger/contract/names.ts';
import type { z } from 'zod';
import { listFolder, removeTree } from '../platform/files.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import type { Task } from '../platform/task.ts';
import type { WorkspaceRecord } from '../store/records/workspaces.ts';
import { diffWorkspace } from './diff-workspace.ts';
import { exportBranch as exportOne } from './export-workspace.ts';
import { createGit, HOSTILE_LIMITS } from './git.ts';
import { parseGuestPath } from './guest-path.ts';
import { importWorkspace } from './import-workspace.ts';
import { createKeptReadings } from './kept-readings.ts';
import { planWorkspace } from './plan-workspace.ts';
import { isHalfMade, WORKSPACE_LIMITS, type WorkspaceParts, workspacesFolder } from './workspace-parts.ts';

export type Workspaces = ReturnType<typeof createWorkspaces>;

type Given = Omit<WorkspaceParts, 'git' | 'kept' | 'limits'> & {
  limits?: WorkspaceParts['limits'];
  /** Of git where it reads what a guest sent */
  hostile?: Partial<typeof HOSTILE_LIMITS>;
  ownerEnv: Readonly<Record<string, string>>;
};

type DiffRequest = { at: string | undefined; repo: string | undefined; isPatch: boolean };

export function createWorkspaces({ ownerEnv, limits = WORKSPACE_LIMITS, hostile, ...given }: Given) {
  const git = createGit({ ownerEnv, hostile: { ...HOSTILE_LIMITS, ...hostile } });
  const parts: WorkspaceParts = { ...given, git, limits, kept: createKeptReadings(given) };
  const oneAtATime = createOneAtATime();
  return { plan, importInto, diff, exportBranch, sweep };

  /** What would travel. Throws REPO_INVALID or REF_NOT_FOUND. */
  function plan(task: Task, request: z.output<typeof workspacePlanSchema>) {
    return planWorkspace(task, parts, request);
  }

  /** Throws also WORKSPACE_CHANGED, WORKSPACE_FAILED, and what a guest's loss throws. */
  function importInto(task: Task, nameOrId: string, request: z.output<typeof workspaceImportSchema>) {
    const { id, name } = parts.vms.find(nameOrId);
    return oneAtATime.run(task, id, () => importWorkspace(task, parts, { id, name }, request));
  }

  /** The text of a diff; a patch has been checked to be safe to apply. Throws also WORKSPACE_REFUSED. */
  function diff(task: Task, nameOrId: string, { at, ...how }: DiffRequest) {
    const { vm, record } = find(nameOrId, at);
    return oneAtATime.run(task, vm.id, () => diffWorkspace(task, parts, vm, record, how));
  }

  /** Throws also BRANCH_EXISTS, BAD_NAME and WORKSPACE_REFUSED. */
  function exportBranch(task: Task, nameOrId: string, request: z.output<typeof workspaceExportSchema>) {
    const { vm, record } = find(nameOrId, request.at);
    return oneAtATime.run(task, vm.id, () => exportOne(task, parts, vm, record, request));
  }

  /** Throws WORKSPACE_NOT_FOUND, also when it is not clear which one is meant. */
  function find(nameOrId: string, at: string | undefined) {
    const { id, name } = parts.vms.find(nameOrId);
    const all = parts.records.list(id);
    const path = at === undefined ? null : parseGuestPath(at);
    const found = path === null ? (all.length === 1 ? all[0] : undefined) : all.find((each) => each.path === path);
    if (!found) throw notFound(name, all, path);
    if (!found.hasGit) throw withoutGit(name, found);
    return { vm: { id, name }, record: found };
  }

  /** At the daemon's start: what a dead one left. */
  async function sweep(vmIds: readonly VmId[]): Promise<void> {
    await removeTree(parts.scratchFolder);
    for (const id of vmIds) {
      const folder = workspacesFolder(parts, id);
      for (const name of await listFolder(folder)) if (isHalfMade(name)) await removeTree(join(folder, name));
    }
  }
}

function notFound(vm: string, all: WorkspaceRecord[], path: string | null): BangerError {
  const paths = all.map((each) => each.path).join(', ');
  return new BangerError('WORKSPACE_NOT_FOUND', {
    message:
      path === null && all.length > 1
        ? `"${vm}" has several workspaces.`
        : `"${vm}" has no workspace${path ? ` at ${path}` : ''}.`,
    hint: paths
      ? `Name one with --at: ${paths}.`
      : `"banger vm workspace import ${vm}" brings the current repository in.`,
    details: { vm, paths: all.map((each) => each.path) },
  });
}

function withoutGit(vm: string, { path }: WorkspaceRecord): BangerError {
  return new BangerError('WORKSPACE_FAILED', {
    message: `The image of "${vm}" has no git, so the changes in ${path} cannot be found.`,
    hint: `"banger vm cp ${vm}:${path} ." brings the files out; an image with git has a way back for changes.`,
    details: { vm, path },
  });
}
