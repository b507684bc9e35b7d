/**
 * The door to kernels: what a machine boots from. Each is kept under its digest: the uncompressed kernel, its modules
 * as an image for the guest, and the few that go into the initramfs. How names and digests go together is told in
 * bases/bases.ts.
 */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Kernel } from '@banger/contract/api/images.ts';
import { type Digest, digestOfHex } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { createBases, type Made } from '../bases/bases.ts';
import { listFolder, makePrivateFolder, readSmallFile, removeTree, sizeOfFile } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { Task } from '../platform/task.ts';
import type { KernelRecord, KernelRecords } from '../store/records/kernels.ts';
import { type KernelCatalogEntry, readKernelCatalog } from './catalog.ts';
import { fetchKernel } from './fetch-kernel.ts';
import { createInitramfsCache } from './initramfs-cache.ts';
import {
  digestOfKernel,
  EARLY_MODULES,
  installKernel,
  type KernelFiles,
  kernelFiles,
  kernelManifestSchema,
  MODULES_IMAGE,
  VMLINUX,
} from './install-kernel.ts';
import { plainFileName } from './modules.ts';

/** A kernel package unpacked, its uncompressed kernel, and a copy of its modules with their image */
const NEEDED_BYTES = 600 * 2 ** 20;

export type KernelsParts = {
  records: KernelRecords;
  /** `<folder>/<digest>/` */
  folder: string;
  cacheFolder: string;
  /** Holds kernels.json */
  catalogFolder: string;
  agentPath: string;
  /** Names of the vms that were made with a digest */
  usedBy: (digest: Digest) => string[];
  areVmsKnown: () => boolean;
  /** Variables by which apt finds a proxy */
  proxies?: Readonly<Record<string, string>>;
  log: Log;
  now: () => Date;
};

export type BootFiles = {
  vmlinuxPath: string;
  initramfsPath: string;
  /** Null when the kernel has everything built in */
  modulesImagePath: string | null;
  /** Whether a guest of it can be reached by a vsock */
  hasVsock: boolean;
  release: string;
};

type KernelImport = { name: string; path: string; modulesPath?: string | undefined };

export type Kernels = ReturnType<typeof createKernels>;

export function createKernels({ cacheFolder, catalogFolder, agentPath, proxies = {}, ...parts }: KernelsParts) {
  const bases = createBases<KernelRecord, KernelCatalogEntry>({
    ...parts,
    kind: 'kernel',
    catalog: readKernelCatalog(join(catalogFolder, 'kernels.json')),
    nothing: { digest: null, release: null, sizeBytes: null, createdAt: null },
    isWhole: isWholeKernel,
    fromCatalog: (entry) => ({
      neededBytes: NEEDED_BYTES,
      fill: async (task, staged) => fill(task, staged, await fetchFrom(task, entry, staged)),
    }),
  });
  const initramfs = createInitramfsCache({ cacheFolder, agentPath });
  const { list, show, find, findOrPull, pull, remove, release, folders } = bases;
  return { list, show, find, findOrPull, pull, importKernel, remove, release, bootFiles, sweep };

  async function importKernel(task: Task, { name, path, modulesPath }: KernelImport): Promise<Kernel> {
    const files = { kernelPath: path, modulesPath: modulesPath ?? null };
    return bases.add(task, name, () => ({
      neededBytes: NEEDED_BYTES,
      fill: (task, staged) => fill(task, staged, files),
    }));
  }

  /** What a machine boots from, with the agent as it is now. Throws KERNEL_NOT_FOUND, KERNEL_DAMAGED. */
  async function bootFiles(task: Task, digest: Digest): Promise<BootFiles> {
    task.check();
    const files = folders.pathOf(digest);
    if (!existsSync(files)) throw unusable('KERNEL_NOT_FOUND', digest, `are not in ${parts.folder}`);
    const facts = readKernelFolder(files);
    const recordedBytes = parts.records.list().find((record) => record.digest === digest)?.sizeBytes;
    if (facts === null || facts.sizeBytes !== (recordedBytes ?? facts.sizeBytes)) {
      throw unusable('KERNEL_DAMAGED', digest, `are not as they were left: ${files}`);
    }
    const { release, hasModules, order, vsock } = facts.manifest;
    const early = { digest, modulesFolder: join(files, EARLY_MODULES), order, vsock: vsock ?? [] };
    return {
      vmlinuxPath: join(files, VMLINUX),
      initramfsPath: await initramfs.get(early),
      modulesImagePath: hasModules ? join(files, MODULES_IMAGE) : null,
      hasVsock: vsock !== undefined,
      release,
    };
  }

  /** At the daemon's start, before a machine is launched: removes what was left unfinished and what nothing needs. */
  async function sweep(): Promise<void> {
    await bases.sweep();
    await initramfs.sweep(await folders.list());
    const packages = join(cacheFolder, 'packages');
    for (const name of await listFolder(packages)) {
      if (name.startsWith('download-')) await removeTree(join(packages, name));
    }
  }

  async function fetchFrom(task: Task, { recipe }: KernelCatalogEntry, staged: string): Promise<KernelFiles> {
    const unpacked = join(staged, 'package');
    await makePrivateFolder(unpacked);
    const { name } = await fetchKernel(task, { packageName: recipe.package, cacheFolder, target: unpacked, proxies });
    const release = name.replace(/^linux-image-/, '');
    return { kernelPath: join(unpacked, 'boot', `vmlinuz-${release}`), modulesPath: unpacked };
  }
}

function unusable(code: 'KERNEL_NOT_FOUND' | 'KERNEL_DAMAGED', digest: Digest, how: string): BangerError {
  return new BangerError(code, {
    message: `The files of the kernel ${digest} ${how}.`,
    hint: 'Were they changed by hand? Pull or import the same kernel again, or bring them back from a copy.',
    details: { kernel: digest },
  });
}

/** What the folder of a kernel says of itself; null unless what it names is there. */
export function readKernelFolder(folder: string) {
  try {
    const manifest = kernelManifestSchema.parse(JSON.parse(readSmallFile(join(folder, 'manifest.json'))));
    const digest = digestOfHex(basename(folder));
    const sizes = kernelFiles(manifest).map((name) => sizeOfFile(join(folder, name)));
    const early = [...manifest.order, ...(manifest.vsock ?? [])];
    const earlySizes = early.map((name) => sizeOfFile(join(folder, EARLY_MODULES, plainFileName(name))));
    if (digest === null || [...sizes, ...earlySizes].includes(0)) return null;
    return { digest, release: manifest.release, sizeBytes: sizes.reduce((sum, size) => sum + size, 0), manifest };
  } catch {
    return null;
  }
}

/** Whether its files are those that its digest was made from. */
export async function isWholeKernel(task: Task, folder: string): Promise<boolean> {
  const facts = readKernelFolder(folder);
  return facts !== null && (await digestOfKernel(task, facts.manifest, folder)) === facts.digest;
}

async function fill(task: Task, staged: string, files: KernelFiles): Promise<Made<KernelRecord>> {
  const { digest, release, sizeBytes } = await installKernel(task, files, staged);
  await removeTree(join(staged, 'package'));
  return { digest, release, sizeBytes };
}
