/** What would travel, without a vm: the same reading of the repository as for an import, which may take it over. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { WorkspacePlan, workspacePlanSchema } from '@banger/contract/api/workspaces.ts';
import type { z } from 'zod';
import { makePrivateFolder, removeTree } from '../platform/files.ts';
import type { Task } from '../platform/task.ts';
import { UndoStack } from '../platform/undo-stack.ts';
import { findRepository } from './find-repository.ts';
import { makeLens } from './lens.ts';
import { snapshotRepository } from './snapshot-repository.ts';
import { showName, type TreeEntry } from './tree-entries.ts';
import type { WorkspaceParts } from './workspace-parts.ts';

type Request = z.output<typeof workspacePlanSchema>;

export async function planWorkspace(task: Task, parts: WorkspaceParts, request: Request): Promise<WorkspacePlan> {
  const { git, scratchFolder, kept } = parts;
  const repository = await findRepository(task, git, request.repo);
  const folder = join(scratchFolder, `plan-${randomBytes(6).toString('hex')}`);
  await using undo = new UndoStack(parts.log);
  undo.add('remove the lens of the plan', () => removeTree(folder));
  await makePrivateFolder(scratchFolder);
  const lens = await makeLens(repository, folder);
  const snapshot = await snapshotRepository(task, git, repository, lens, request);
  const { entries, changed, base, branch, tree, notes } = snapshot;
  if (request.keep) undo.keep();
  return {
    repo: repository.path,
    name: repository.name,
    base,
    branch,
    subfolder: holdsAny(entries, repository.subfolder) ? repository.subfolder : '',
    tree,
    files: entries.length,
    sizeBytes: entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    changed: changed.length,
    notes,
    kept: request.keep ? kept.keep(request, { repository, snapshot, folder }) : null,
    entries: request.listFiles
      ? entries.map(({ name, sizeBytes, mode }) => ({ path: showName(name), sizeBytes, mode }))
      : null,
  };
}

/** Names are bytes, see tree-entries.ts. */
function holdsAny(entries: readonly TreeEntry[], folder: string): boolean {
  const start = `${Buffer.from(folder).toString('latin1')}/`;
  return entries.some(({ name }) => name.startsWith(start));
}
