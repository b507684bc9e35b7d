/** Routes of workspaces. */
import {
  workspaceExportSchema,
  workspaceImportSchema,
  workspacePlanSchema,
  workspaceQuerySchema,
} from '@banger/contract/api/workspaces.ts';
import type { Operations } from '../operations/operations.ts';
import { Task } from '../platform/task.ts';
import type { Vms } from '../vms/vms.ts';
import type { Workspaces } from '../workspace/workspace.ts';
import type { Handlers } from './handlers.ts';

type Parts = { vms: Vms; workspaces: Workspaces; operations: Operations };

export function workspaceHandlers({
  vms,
  workspaces,
  operations,
}: Parts): Handlers<Extract<keyof Handlers, `workspace${string}`>> {
  return {
    workspacePlan: async (call) => workspaces.plan(whileAsked(call.request), await call.body(workspacePlanSchema)),
    workspaceImport: async (call) => {
      const request = await call.body(workspaceImportSchema);
      const { id, name } = vms.find(call.param('vm'));
      return {
        operation: operations.begin('workspace.import', name, (task) => workspaces.importInto(task, id, request)),
      };
    },
    workspaceDiff: async (call) => {
      const { at, patch } = call.query(workspaceQuerySchema);
      return workspaces.diff(whileAsked(call.request), call.param('vm'), { at, isPatch: patch });
    },
    workspaceExport: async (call) => {
      const request = await call.body(workspaceExportSchema);
      const { id, name } = vms.find(call.param('vm'));
      return {
        operation: operations.begin('workspace.export', name, (task) => workspaces.exportBranch(task, id, request)),
      };
    },
  };
}

/** As long as the caller stays. */
function whileAsked(request: Request): Task {
  return new Task(request.signal, () => {});
}
