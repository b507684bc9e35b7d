/**
 * The door to the host's disk space: what vms, images, kernels, hypervisors and caches take, and what of it nobody needs.
 *
 * Nothing goes that a vm needs. Images and kernels that can be fetched again go when no vm was made from them; imported
 * ones, and the defaults that the next vm would wait for, only when asked for. A vm that is being made has not written down yet what it needs, so while one
 * is, only leftovers go. What has no record (recover/unrecorded.ts) goes only by its name, alone.
 */
import { join } from 'node:path';
import type { DiskSpace, DiskUse, PruneResult, pruneSchema } from '@banger/contract/api/disk-space.ts';
import type { Hypervisor } from '@banger/contract/api/hypervisors.ts';
import { isBuilder } from '@banger/contract/builder.ts';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { isVmId } from '@banger/contract/names.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { z } from 'zod';
import { allocatedBytesOf } from '../platform/allocated-bytes.ts';
import { freeBytes, listFolder, removeTree } from '../platform/files.ts';
import { removeRun } from '../platform/remove-run.ts';
import { killStarted } from '../platform/started.ts';
import { Task } from '../platform/task.ts';
import { removeMappedTree } from '../platform/user-namespace.ts';
import { describeUnrecorded, type Known, type Unrecorded } from '../recover/unrecorded.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { type Found, isPrunable } from './prunable.ts';

/** What nobody could look at by then is not told */
const ESTIMATE_LIMIT_MS = 5000;

type Base = {
  name: string;
  digest: Digest | null;
  source: 'catalog' | 'import' | 'registry';
  usedBy: string[];
  isDefault: boolean;
};
type Store = { list(): Base[] | Promise<Base[]>; remove(task: Task, name: string): Promise<void> };

type Parts = {
  vms: { remove(task: Task, name: string, force: boolean): Promise<void> };
  paths: Pick<BangerPaths, 'data' | 'runtime' | 'cache'>;
  known: () => Known;
  unrecorded: () => Unrecorded[];
  images: Store;
  kernels: Store;
  releases: { list(): Promise<Hypervisor[]> };
  /** About what vms give back when they next shut down, in bytes by name, where it is worth telling */
  estimateComingBack: (task: Task) => Promise<ReadonlyMap<string, number>>;
  /** Whether whoever wants this image has it built again */
  isRebuilt: (image: Base) => boolean;
  /** Whether a vm, an image or a kernel is being made right now */
  isMaking: () => boolean;
};

export type DiskSpaceDoor = ReturnType<typeof createDiskSpace>;

export function createDiskSpace(parts: Parts) {
  const { paths, known, unrecorded, vms: machines, images, kernels, releases } = parts;
  const { estimateComingBack, isRebuilt, isMaking } = parts;
  return { show, prune };

  async function show(): Promise<DiskSpace> {
    const limited = Task.background().within(ESTIMATE_LIMIT_MS);
    const comesBack = await estimateComingBack(limited).catch(() => new Map<string, number>());
    const uses = (await findAll()).map((found) => toUse(found, found.kind === 'vm' ? comesBack.get(found.name) : null));
    const totalBytes = uses.reduce((sum, { bytes }) => sum + bytes, 0);
    return { uses, totalBytes, freeBytes: await freeBytes(paths.data) };
  }

  /** With names, exactly what has no record and is called so. Throws NOT_UNRECORDED before anything goes. */
  async function prune(
    task: Task,
    { dryRun, all, onlyImages, names }: z.output<typeof pruneSchema>,
  ): Promise<PruneResult> {
    const removed: DiskUse[] = [];
    const isNamed = names.length > 0;
    const chosen = isNamed ? await findNamed(names) : await findAll();
    /** The builder goes first, and what only it needs goes with it. */
    const goes = onlyImages ? [] : chosen.flatMap(({ kind, name }) => (kind === 'builder' ? name : []));
    for (const found of chosen.filter((each) => isPrunable(each, { all, onlyImages, isNamed, goes }))) {
      const { kind, name, bytes } = found;
      task.step(`${dryRun ? 'would remove' : 'remove'} ${kind} ${name} (${formatSize(bytes)})`);
      if (kind !== 'leftover' && kind !== 'unrecorded' && isMaking())
        task.note(`The ${kind} ${name} stays, since a vm or an image is being made.`);
      else if (dryRun || (await remove(task, found))) removed.push(toUse(found));
    }
    return { removed, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0), dryRun };
  }

  /** False when somebody has begun to use it meanwhile. */
  async function remove(task: Task, { kind, name, path }: Found): Promise<boolean> {
    try {
      if (kind === 'builder') await machines.remove(task, name, false);
      else if (kind === 'image') await images.remove(task, name);
      else if (kind === 'kernel') await kernels.remove(task, name);
      else if (kind === 'unrecorded') await removeUnrecorded(name, path);
      else await removeTree(path);
      return true;
    } catch (fault) {
      task.check();
      task.note(`The ${kind} ${name} stays: ${(fault as Error).message}`);
      return false;
    }
  }

  async function findAll(): Promise<Found[]> {
    // The folders first: a vm is recorded before its folder is made, so a folder without a record has no vm.
    const folders = await Promise.all([listFolder(join(paths.data, 'vms')), listFolder(join(paths.runtime, 'vms'))]);
    const { vms } = known();
    return [
      ...(await Promise.all(vms.map(findVm))),
      ...(await findBases('image', await images.list())),
      ...(await findBases('kernel', await kernels.list())),
      ...(await findHypervisors()),
      ...(await findCaches(vms)),
      ...(await findLeftovers(folders, vms)),
      ...(await findAllUnrecorded()),
    ];
  }

  async function findAllUnrecorded(): Promise<Found[]> {
    return Promise.all(
      unrecorded().map(async (each): Promise<Found> => {
        const { name, path } = each;
        const bytes = await allocatedBytesOf(path);
        return { kind: 'unrecorded', name, path, bytes, usedBy: [], describes: describeUnrecorded(each) };
      }),
    );
  }

  async function findNamed(names: string[]): Promise<Found[]> {
    const all = await findAllUnrecorded();
    return names.map((name) => {
      const found = all.find((each) => each.name === name);
      if (found) return found;
      throw new BangerError('NOT_UNRECORDED', {
        message: `There is nothing unrecorded with the name "${name.slice(0, 120)}".`,
        hint: 'A name can only be one that "banger system df" shows as unrecorded. "banger vm rm" removes vms, "banger image rm" images.',
        details: { name: name.slice(0, 120) },
      });
    });
  }

  /** Its machine may still run: what has no record is left alone until somebody decides. */
  async function removeUnrecorded(name: string, path: string): Promise<void> {
    const [parent, entry = ''] = name.split('/');
    if (parent === 'vms' && isVmId(entry)) {
      const runtime = join(paths.runtime, 'vms', entry);
      await killStarted(runtime);
      await removeRun(runtime);
    }
    await removeMappedTree(Task.background(), path);
  }

  async function findVm({ id, name, imageName }: VmRecord): Promise<Found> {
    const path = join(paths.data, 'vms', id);
    const kind = isBuilder({ name, imageName }) ? 'builder' : 'vm';
    return { kind, name, path, bytes: await allocatedBytesOf(path), usedBy: [] };
  }

  /** Two names of one digest share its files: they count with the first. */
  async function findBases(kind: 'image' | 'kernel', bases: Base[]): Promise<Found[]> {
    const seen = new Set<string>();
    const found = bases.map(async (base): Promise<Found[]> => {
      const { name, digest, usedBy, isDefault } = base;
      if (digest === null) return []; // only in the catalog
      const source = kind === 'image' && isRebuilt(base) ? 'rebuilt' : base.source;
      const path = join(paths.data, `${kind}s`, hexOf(digest));
      return [{ kind, name, path, source, isDefault, bytes: await allocatedBytesOf(path, seen), usedBy }];
    });
    return (await Promise.all(found)).flat();
  }

  /** Without it new vms may get another, so it stays. */
  async function findHypervisors(): Promise<Found[]> {
    const pulled = (await releases.list()).flatMap(({ name, pulled }) => (pulled ? [{ name, pulled }] : []));
    return Promise.all(
      pulled.map(async ({ name, pulled: { path } }): Promise<Found> => {
        return { kind: 'hypervisor', name, path, bytes: await allocatedBytesOf(path), usedBy: ['banger'] };
      }),
    );
  }

  async function findCaches(vms: readonly VmRecord[]): Promise<Found[]> {
    const packages = join(paths.cache, 'packages');
    const layers = join(paths.cache, 'oci');
    const compiled = join(paths.cache, 'node-compile-cache');
    const initramfs = (await listFolder(join(paths.cache, 'initramfs'))).map(async (file): Promise<Found> => {
      const path = join(paths.cache, 'initramfs', file);
      const usedBy = vms.filter(({ kernelDigest }) => file.startsWith(hexOf(kernelDigest)));
      const name = `initramfs ${file.slice(0, 12)}`;
      return { kind: 'cache', name, path, bytes: await allocatedBytesOf(path), usedBy: usedBy.map((vm) => vm.name) };
    });
    return [
      ...(await Promise.all(initramfs)),
      { kind: 'cache', name: 'packages', path: packages, bytes: await allocatedBytesOf(packages), usedBy: [] },
      {
        kind: 'cache',
        name: 'image layers',
        path: layers,
        bytes: await allocatedBytesOf(join(layers, 'blobs', 'sha256')),
        usedBy: [],
      },
      // Without it every command starts slower, so it stays.
      {
        kind: 'cache',
        name: 'compiled code',
        path: compiled,
        bytes: await allocatedBytesOf(compiled),
        usedBy: ['banger'],
      },
    ].filter(({ bytes }) => bytes > 0) as Found[];
  }

  /** Sockets of runs whose vm is gone, with its files. */
  async function findLeftovers([data, runtime]: [string[], string[]], vms: readonly VmRecord[]): Promise<Found[]> {
    const lasting = new Set<string>([...vms.map(({ id }) => id), ...data]);
    return Promise.all(
      runtime
        .filter((id) => !lasting.has(id))
        .map(async (id): Promise<Found> => {
          const path = join(paths.runtime, 'vms', id);
          return { kind: 'leftover', name: id, path, bytes: await allocatedBytesOf(path), usedBy: [] };
        }),
    );
  }
}

function toUse({ kind, name, bytes, usedBy, describes = null }: Found, comesBackBytes: number | null = null): DiskUse {
  return { kind, name, bytes, usedBy, describes, comesBackBytes };
}
