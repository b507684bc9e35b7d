/**
 * What a vm is, told by its own folder: a record that was lost is made anew from it. It stands beside a disk that is
 * complete, from the end of its making to the beginning of its removal, and holds what does not change when the vm
 * starts or stops. Of a vm that nobody keeps there is none.
 */
import { rm } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { VmId } from '@banger/contract/names.ts';
import { z } from 'zod';
import { readSmallFile, removePartials, writeWhereChanged } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { type VmFacts, vmFactsSchema } from './records/vms.ts';
import { type WorkspaceRecord, workspaceRecordSchema } from './records/workspaces.ts';
import type { VmFolders } from './vm-folders.ts';

const MAX_WORKSPACES = 1000;
/** More than so many workspaces take, with the longest paths */
const MAX_MANIFEST_BYTES = 16 * 2 ** 20;

const manifestSchema = z.object({
  v: z.literal(1),
  vm: vmFactsSchema,
  workspaces: z.array(workspaceRecordSchema.omit({ vmId: true })).max(MAX_WORKSPACES),
});

/** A workspace, without the vm that it is in */
type TellsWorkspace = Omit<WorkspaceRecord, 'vmId'>;

export type VmManifest = z.infer<typeof manifestSchema>;

export type VmManifests = ReturnType<typeof createVmManifests>;

type ManifestsParts = { folders: VmFolders; workspaces: { list(vmId: VmId): WorkspaceRecord[] }; log: Log };

export function createVmManifests({ folders, workspaces, log }: ManifestsParts) {
  return { write, writeWhenPossible, refresh, remove };

  /** Durable when it resolves; writes nothing when the folder says so already. */
  async function write(vm: VmFacts): Promise<void> {
    if (vm.ephemeral) return;
    const path = folders.of(vm.id).manifest;
    const told = readVmManifest(folders, vm.id)?.workspaces ?? [];
    const manifest: VmManifest = {
      ...{ v: 1, vm: vmFactsSchema.parse(vm) },
      workspaces: newestOf([...workspaces.list(vm.id), ...told]),
    };
    await writeWhereChanged(path, `${JSON.stringify(manifest)}\n`);
  }

  /** For what is in the state already: a folder that cannot be written to is told at the daemon's next start. */
  async function writeWhenPossible(vm: VmFacts): Promise<void> {
    await write(vm).catch((fault) => log.warn(`vm ${vm.name}: its vm.json could not be written`, fault));
  }

  /**
   * At the daemon's start: what an earlier one, or a full disk, left undescribed or half-described. Where a folder tells
   * something else than the record, the state is an older copy, and the folder stays as it is.
   */
  async function refresh(vms: readonly VmFacts[]): Promise<void> {
    for (const vm of vms) {
      await removePartials(folders.of(vm.id).data);
      const told = readVmManifest(folders, vm.id)?.vm;
      if (!told || isDeepStrictEqual(told, vmFactsSchema.parse(vm))) await writeWhenPossible(vm);
      else log.warn(`vm ${vm.name}: its vm.json differs from its record; "banger system recover" mends that`);
    }
  }

  /** Before the disk goes: what is left of it is then no vm. */
  async function remove({ id }: Pick<VmFacts, 'id'>): Promise<void> {
    await rm(folders.of(id).manifest, { force: true });
  }
}

/** Null when there is none, when it is not understood, or when it is of another vm, as in a folder that was copied. */
export function readVmManifest(folders: VmFolders, id: VmId): VmManifest | null {
  try {
    const manifest = manifestSchema.parse(JSON.parse(readSmallFile(folders.of(id).manifest, MAX_MANIFEST_BYTES)));
    return manifest.vm.id === id ? manifest : null;
  } catch {
    return null;
  }
}

/** One for each path, and the newest of more than a manifest takes. */
export function newestOf(workspaces: readonly TellsWorkspace[]): TellsWorkspace[] {
  const newest = new Map<string, TellsWorkspace>();
  for (const workspace of workspaces) {
    const known = newest.get(workspace.path);
    if (!known || known.importedAt < workspace.importedAt) newest.set(workspace.path, workspace);
  }
  const kept = [...newest.values()].sort((one, other) => other.importedAt.localeCompare(one.importedAt));
  return kept.slice(0, MAX_WORKSPACES).map(({ path, repoPath, baseCommit, tree, hasGit, importedAt }) => ({
    ...{ path, repoPath, baseCommit, tree, hasGit, importedAt },
  }));
}
