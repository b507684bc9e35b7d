/** What the state, its copies and the folders say, each read as what others may have written. */
import { existsSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { runNetworkSchema } from '@banger/contract/api/vms.ts';
import { digestOfHex, hexOf } from '@banger/contract/digest.ts';
import { isVmId, type VmId } from '@banger/contract/names.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { z } from 'zod';
import { readNames } from '../bases/names-file.ts';
import { machineRefSchema } from '../hypervisor/hypervisor.ts';
import { isWholeImage, readImageFolder } from '../images/images.ts';
import { isWholeKernel, readKernelFolder } from '../kernels/kernels.ts';
import { listFolder, readSmallFile, sizeOfFile } from '../platform/files.ts';
import { Task } from '../platform/task.ts';
import { listCopies } from '../store/copies.ts';
import { copiesFolder, createRecords, expectStateFile, openStore } from '../store/store.ts';
import { createVmFolders, type VmFolders } from '../store/vm-folders.ts';
import { readVmManifest } from '../store/vm-manifest.ts';
import type {
  BaseFolderFound,
  Findings,
  ImageFacts,
  KernelFacts,
  StateRecords,
  VmFolderFound,
} from './plan-recovery.ts';

/** `fault`: what is wrong with the state; null when all of it can be read. `isThere`: whether there is a file */
export type Read = { findings: Findings; fault: string | null; isThere: boolean };

export async function readFindings(paths: BangerPaths, statePath: string): Promise<Read> {
  const state = await readState(statePath);
  const copies: StateRecords[] = state.salvaged ? [state.salvaged] : [];
  for (const path of listCopies(copiesFolder(statePath))) {
    const copy = await readState(path);
    if (copy.present) copies.push(copy.present);
  }
  const folders = createVmFolders({ dataFolder: paths.data, runtimeFolder: paths.runtime });
  const findings: Findings = {
    present: state.present,
    copies,
    vms: (await listFolder(folders.data)).filter(isVmId).map((id) => readVm(folders, id)),
    images: await readBases(join(paths.data, 'images'), readImageFacts, isWholeImage),
    kernels: await readBases(join(paths.data, 'kernels'), readKernelFacts, isWholeKernel),
  };
  return { findings, fault: state.fault, isThere: existsSync(statePath) };
}

type ReadState = {
  present: StateRecords | null;
  /** What could be read of a file that is damaged */
  salvaged: StateRecords | null;
  fault: string | null;
};

/** Of a copy beside it, with its log: what is read may be all that is left, and opening it would change it. */
async function readState(path: string): Promise<ReadState> {
  if (!existsSync(path)) return { present: null, salvaged: null, fault: 'there is none' };
  const reading = `${path}.reading`;
  const parts = ['', '-wal', '-shm', '-journal'];
  try {
    expectStateFile(path);
  } catch (fault) {
    return { present: null, salvaged: null, fault: (fault as Error).message };
  }
  try {
    for (const end of parts) await rm(`${reading}${end}`, { force: true });
    for (const end of ['', '-wal'])
      if (existsSync(`${path}${end}`)) await copyFile(`${path}${end}`, `${reading}${end}`);
    return readCopied(reading);
  } finally {
    for (const end of parts) await rm(`${reading}${end}`, { force: true });
  }
}

function readCopied(path: string): ReadState {
  try {
    const store = openStore(path);
    try {
      const [damaged] = store.damaged();
      const fault = damaged ? `a record in its table ${damaged.table} is damaged: ${damaged.reason}` : null;
      return { present: listAll(store), salvaged: null, fault };
    } finally {
      store.close();
    }
  } catch (fault) {
    return { present: null, salvaged: salvage(path), fault: (fault as Error).message.replace(/\.$/, '') };
  }
}

function salvage(path: string): StateRecords | null {
  try {
    using database = new DatabaseSync(path);
    return listAll(createRecords(database));
  } catch {
    return null;
  }
}

function listAll({ vms, images, kernels, workspaces }: ReturnType<typeof createRecords>): StateRecords {
  return {
    vms: vms.list(),
    images: images.list(),
    kernels: kernels.list(),
    workspaces: vms.list().flatMap(({ id }) => workspaces.list(id)),
  };
}

function readVm(folders: VmFolders, id: VmId): VmFolderFound {
  const { disk } = folders.of(id);
  return { id, hasDisk: isFile(disk), manifest: readVmManifest(folders, id), run: readRun(folders, id) };
}

function readRun(folders: VmFolders, id: VmId): VmFolderFound['run'] {
  const { machine: path, runtime } = folders.of(id);
  try {
    const told = JSON.parse(readSmallFile(path)) as unknown;
    const machine = machineRefSchema.parse(told);
    const { network } = z.object({ network: runNetworkSchema.default('user') }).parse(told);
    return machine.runtimeFolder === runtime ? { machine, network } : null;
  } catch {
    return null; // it does not run
  }
}

/** Their files are read whole: what does not match its digest would boot something else. */
async function readBases<Facts>(
  folder: string,
  readFacts: (folder: string) => Facts | null,
  isWhole: (task: Task, folder: string) => Promise<boolean>,
): Promise<BaseFolderFound<Facts>[]> {
  const found: BaseFolderFound<Facts>[] = [];
  for (const digest of (await listFolder(folder)).map(digestOfHex)) {
    if (digest === null) continue;
    const path = join(folder, hexOf(digest));
    const facts = readFacts(path);
    const isDamaged = facts !== null && !(await isWhole(Task.background(), path).catch(() => false));
    found.push({ digest, names: readNames(path), facts: isDamaged ? null : facts, isDamaged });
  }
  return found;
}

function readImageFacts(folder: string): ImageFacts | null {
  const facts = readImageFolder(folder);
  return facts && { digest: facts.digest, sizeBytes: facts.sizeBytes, config: facts.config };
}

function readKernelFacts(folder: string): KernelFacts | null {
  const facts = readKernelFolder(folder);
  return facts && { digest: facts.digest, release: facts.release, sizeBytes: facts.sizeBytes };
}

function isFile(path: string): boolean {
  try {
    return sizeOfFile(path) > 0;
  } catch {
    return false;
  }
}
