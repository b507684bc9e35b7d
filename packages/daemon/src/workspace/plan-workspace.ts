/** What would travel, without a vm: the same reading of the repository, and nothing kept. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { WorkspacePlan, workspacePlanSchema } from '@banger/contract/api/workspaces.ts';
import type { z } from 'zod';
import { makePrivateFolder, removeTree } from '../platform/files.ts';
import type { Task } from '../platform/task.ts';
import { findRepository } from './find-repository.ts';
import { makeLens } from './lens.ts';
import { snapshotRepository } from './snapshot-repository.ts';
import { showName, type TreeEntry } from './tree-entries.ts';
import type { WorkspaceParts } from './workspace-parts.ts';

type Request = z.output<typeof workspacePlanSchema>;

export async function planWorkspace(task: Task, parts: WorkspaceParts, request: Request): Promise<WorkspacePlan> {
  const { git, scratchFolder } = parts;
  const repository = await findRepository(task, git, request.repo);
  const folder = join(scratchFolder, `plan-${randomBytes(6).toString('hex')}`);
  await makePrivateFolder(scratchFolder);
  try {
    const lens = await makeLens(repository, folder);
    const { entries, changed, ...snapshot } = await snapshotRepository(task, git, repository, lens, request);
    const { base, branch, tree, notes } = snapshot;
    const files = entries.map(({ name, sizeBytes, mode }) => ({ path: showName(name), sizeBytes, mode }));
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
      entries: request.listFiles ? files : null,
    };
  } finally {
    await removeTree(folder);
  }
}

/** Names are bytes, see tree-entries.ts. */
function holdsAny(entries: readonly TreeEntry[], folder: string): boolean {
  const start = `${Buffer.from(folder).toString('latin1')}/`;
  return entries.some(({ name }) => name.startsWith(start));
}
