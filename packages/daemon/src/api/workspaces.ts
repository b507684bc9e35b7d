/** Routes of workspaces. */
import type { Operations } from '../operations/operations.ts';
import type { Vms } from '../vms/vms.ts';
import type { Workspaces } from '../workspace/workspace.ts';
import { type Handlers, whileAsked } from './handlers.ts';

type Parts = { vms: Vms; workspaces: Workspaces; operations: Operations };

export function workspaceHandlers({
  vms,
  workspaces,
  operations,
}: Parts): Handlers<Extract<keyof Handlers, `workspace${string}`>> {
  return {
    workspacePlan: (call) => workspaces.plan(whileAsked(call), call.body),
    workspaceImport: (call) => {
      const request = call.body;
      const { id, name } = vms.find(call.params.vm);
      return {
        operation: operations.begin('workspace.import', name, (task) => workspaces.importInto(task, id, request)),
      };
    },
    workspaceDiff: async (call) => {
      const { at, repo, patch } = call.query;
      const notes: string[] = [];
      const task = whileAsked(call, (note) => notes.push(note));
      return { text: await workspaces.diff(task, call.params.vm, { at, repo, isPatch: patch }), notes };
    },
    workspaceExport: (call) => {
      const request = call.body;
      const { id, name } = vms.find(call.params.vm);
      return {
        operation: operations.begin('workspace.export', name, (task) => workspaces.exportBranch(task, id, request)),
      };
    },
  };
}
