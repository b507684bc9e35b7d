/** A guest's changes as a diff of git's against what was brought in. */
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Task } from '../platform/task.ts';
import { together } from '../platform/together.ts';
import type { WorkspaceRecord } from '../store/records/workspaces.ts';
import { receiveChanges } from './receive-changes.ts';
import { explained } from './receive-pack.ts';
import type { WorkspaceParts, WorkspaceVm } from './workspace-parts.ts';

const OPTIONS = '-r -p --binary --full-index --no-renames --no-ext-diff --no-textconv --no-color'.split(' ');

/** All of it is made before the first byte is given, so that what goes wrong is an error and not a short diff. */
export async function diffWorkspace(
  task: Task,
  parts: WorkspaceParts,
  vm: WorkspaceVm,
  record: WorkspaceRecord,
  { isPatch, repo }: { isPatch: boolean; repo: string | undefined },
): Promise<ReadableStream<Uint8Array>> {
  const received = await receiveChanges(task, parts, vm, record, isPatch ? 'patch' : 'diff', repo);
  const leave = () => void received[Symbol.asyncDispose]();
  try {
    const path = join(received.folder, 'diff');
    const stdout = createWriteStream(path, { mode: 0o600 });
    const args = ['diff-tree', ...OPTIONS, record.tree, received.tree];
    const run = { stdout, isHostile: true, maxBytes: parts.limits.diffBytes };
    await together(task, [
      ({ signal }) => finished(stdout, { signal }),
      (own) => explained(() => parts.git.run(own, received.quarantine, args, run)),
    ]);
    const file = createReadStream(path);
    file.once('close', leave);
    return Readable.toWeb(file) as ReadableStream<Uint8Array>;
  } catch (fault) {
    leave();
    throw fault;
  }
}
