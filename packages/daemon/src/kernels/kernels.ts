/**
 * The door to kernels: what a machine boots from. Each is kept under its digest: the uncompressed kernel, its modules
 * as an image for the guest, and the few that go into the initramfs.
 *
 * As with images, a name is a pointer to a digest, and a digest stays as long as a name or a vm needs it.
 */
import { join } from 'node:path';
import type { Kernel } from '@banger/contract/api/images.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { parseCatalogName } from '@banger/contract/names.ts';
import { createDigestFolders } from '../bases/digest-folders.ts';
import { listFolder, makePrivateFolder, removeTree } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import type { Task } from '../platform/task.ts';
import type { KernelRecord, KernelRecords } from '../store/records/kernels.ts';
import { type KernelCatalogEntry, readKernelCatalog } from './catalog.ts';
import { fetchKernel } from './fetch-kernel.ts';
import { createInitramfsCache } from './initramfs-cache.ts';
import {
  EARLY_MODULES,
  installKernel,
  type KernelFiles,
  kernelManifestSchema,
  MODULES_IMAGE,
  VMLINUX,
} from './install-kernel.ts';

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
  usedBy: (digest: string) => string[];
  log: Log;
  now: () => Date;
};

export type BootFiles = {
  vmlinuxPath: string;
  initramfsPath: string;
  /** Null when the kernel has everything built in */
  modulesImagePath: string | null;
  release: string;
};

export type Kernels = ReturnType<typeof createKernels>;

export function createKernels({
  records,
  folder,
  cacheFolder,
  catalogFolder,
  agentPath,
  usedBy,
  log,
  now,
}: KernelsParts) {
  const catalog = readKernelCatalog(join(catalogFolder, 'kernels.json'));
  const folders = createDigestFolders({ folder, log });
  const initramfs = createInitramfsCache({ cacheFolder, agentPath });
  const oneAtATime = createOneAtATime();
  return { list, show, find, findOrPull, pull, importKernel, remove, bootFiles, sweep };

  /** What is here, and what the catalog could bring. */
  function list(): Kernel[] {
    const here = records.list();
    const absent = catalog.filter(({ name }) => !here.some((record) => record.name === name));
    return [...here.map(toKernel), ...absent.map(toAbsentKernel)].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws KERNEL_NOT_FOUND for what is neither here nor in the catalog. */
  function show(ref: string): Kernel {
    const entry = catalog.find(({ name }) => name === ref);
    return entry && !records.find(ref) ? toAbsentKernel(entry) : toKernel(find(ref));
  }

  /** A kernel that is here, by name or digest. Throws KERNEL_NOT_FOUND. */
  function find(ref: string): KernelRecord {
    const record = records.find(ref) ?? records.list().find(({ digest }) => digest === ref);
    if (record) return record;
    const inCatalog = catalog.some(({ name }) => name === ref);
    throw new BangerError('KERNEL_NOT_FOUND', {
      message: inCatalog ? `The kernel "${ref}" is in the catalog, but not here yet.` : `There is no kernel "${ref}".`,
      hint: inCatalog ? `Fetch it with "banger kernel pull ${ref}".` : 'See what there is with "banger kernel ls".',
      details: { kernel: ref },
    });
  }

  /** The kernel, fetched first if it is only in the catalog; without a name, the catalog's default. */
  async function findOrPull(task: Task, ref = defaultName()): Promise<KernelRecord> {
    const isAbsent = catalog.some(({ name }) => name === ref) && !records.find(ref);
    if (isAbsent) await pull(task, ref);
    return find(ref);
  }

  /** Fetches a catalog entry's kernel; does nothing when it is here, unless forced. */
  async function pull(task: Task, name: string, { force = false } = {}): Promise<Kernel> {
    const entry = catalog.find((candidate) => candidate.name === name);
    if (!entry) {
      throw new BangerError('KERNEL_NOT_FOUND', {
        message: `The catalog has no kernel "${name}".`,
        hint: `It has: ${catalog.map((known) => known.name).join(', ')}. One of your own comes in with "banger kernel import".`,
        details: { kernel: name },
      });
    }
    return oneAtATime.run(task, name, async () => {
      if (records.find(name) && !force) {
        task.note(`The kernel "${name}" is here already; --force fetches it anew.`);
        return show(name);
      }
      return install(task, { name, source: 'catalog', fetch: (staged) => fetchFrom(task, entry, staged) });
    });
  }

  async function importKernel(task: Task, { name, path, modulesPath }: KernelImport): Promise<Kernel> {
    parseCatalogName(name);
    const files = { kernelPath: path, modulesPath: modulesPath ?? null };
    return oneAtATime.run(task, name, () => install(task, { name, source: 'import', fetch: async () => files }));
  }

  /** Forgets a name, and its files if nothing else needs them. Throws KERNEL_IN_USE while a vm was made with it. */
  async function remove(task: Task, name: string): Promise<void> {
    await oneAtATime.run(task, name, async () => {
      const record = find(name);
      const hasOtherName = records.list().some((other) => other.name !== record.name && other.digest === record.digest);
      const vms = usedBy(record.digest);
      if (vms.length > 0 && !hasOtherName) {
        throw new BangerError('KERNEL_IN_USE', {
          message: `The kernel "${name}" boots ${vms.length === 1 ? 'the vm' : 'the vms'} ${vms.join(', ')}.`,
          hint: `Remove ${vms.length === 1 ? 'it' : 'them'} first with "banger vm rm".`,
          details: { kernel: name, vms },
        });
      }
      records.remove(record.name);
      await sweepFolders();
    });
  }

  /** What a machine boots from, with the agent as it is now. Throws KERNEL_NOT_FOUND. */
  async function bootFiles(task: Task, digest: string): Promise<BootFiles> {
    task.check();
    if (!folders.has(digest)) {
      throw new BangerError('KERNEL_NOT_FOUND', {
        message: `The files of the kernel ${digest} are not in ${folder}.`,
        hint: 'Were they removed by hand? Pull or import the same kernel again.',
        details: { kernel: digest },
      });
    }
    const { release, hasModules, order } = kernelManifestSchema.parse(folders.readManifest(digest));
    const files = folders.pathOf(digest);
    return {
      vmlinuxPath: join(files, VMLINUX),
      initramfsPath: await initramfs.get({ digest, modulesFolder: join(files, EARLY_MODULES), order }),
      modulesImagePath: hasModules ? join(files, MODULES_IMAGE) : null,
      release,
    };
  }

  /** At the daemon's start, before a machine is launched: removes what was left unfinished and what nothing needs. */
  async function sweep(): Promise<void> {
    await sweepFolders();
    await initramfs.sweep(await folders.list());
    const packages = join(cacheFolder, 'packages');
    for (const name of await listFolder(packages)) {
      if (name.startsWith('download-')) await removeTree(join(packages, name));
    }
  }

  async function sweepFolders(): Promise<void> {
    const isNamed = (digest: string) => records.list().some((record) => record.digest === digest);
    await folders.sweep((digest) => isNamed(digest) || usedBy(digest).length > 0);
  }

  async function fetchFrom(task: Task, { recipe }: KernelCatalogEntry, staged: string): Promise<KernelFiles> {
    const unpacked = join(staged, 'package');
    await makePrivateFolder(unpacked);
    const { name } = await fetchKernel(task, { packageName: recipe.package, cacheFolder, target: unpacked });
    const release = name.replace(/^linux-image-/, '');
    return { kernelPath: join(unpacked, 'boot', `vmlinuz-${release}`), modulesPath: unpacked };
  }

  async function install(task: Task, { name, source, fetch }: Installation): Promise<Kernel> {
    await folders.stage(NEEDED_BYTES, async (staged) => {
      const { digest, release, sizeBytes } = await installKernel(task, await fetch(staged), staged);
      await removeTree(join(staged, 'package'));
      const record: KernelRecord = { name, digest, release, source, sizeBytes, createdAt: now().toISOString() };
      task.check();
      await folders.place(staged, digest, () => records.put(record));
    });
    await sweepFolders(); // what the name stood for before
    return show(name);
  }

  function defaultName(): string {
    return (catalog.find((entry) => entry.default) ?? (catalog[0] as KernelCatalogEntry)).name;
  }

  function toKernel(record: KernelRecord): Kernel {
    const entry = catalog.find(({ name }) => name === record.name);
    return {
      ...record,
      description: record.source === 'catalog' ? (entry?.description ?? '') : 'imported',
      usedBy: usedBy(record.digest),
      isDefault: record.name === defaultName(),
    };
  }

  function toAbsentKernel({ name, description }: KernelCatalogEntry): Kernel {
    const nothing = { digest: null, release: null, sizeBytes: null, createdAt: null, usedBy: [] };
    return { name, description, source: 'catalog', ...nothing, isDefault: name === defaultName() };
  }
}

type KernelImport = { name: string; path: string; modulesPath?: string | undefined };

type Installation = {
  name: string;
  source: KernelRecord['source'];
  fetch: (staged: string) => Promise<KernelFiles>;
};
