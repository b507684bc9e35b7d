/**
 * What lies in the folders of vms, images and kernels and has no record. It never comes from a crash, since records are
 * written first and removed last: it means that the state was lost, or that somebody else put it there. So nothing of it
 * goes by itself.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '@banger/contract/digest.ts';
import { isVmId } from '@banger/contract/names.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import { isStaging } from '../bases/digest-folders.ts';
import { type BaseName, readNames } from '../bases/names-file.ts';
import type { VmRecord } from '../store/records/vms.ts';
import { createVmFolders } from '../store/vm-folders.ts';
import { readVmManifest, type VmManifest } from '../store/vm-manifest.ts';

type Kind = 'vm' | 'image' | 'kernel';

export type Unrecorded = {
  /** "vms/0123456789ab": what it is called in df, and what "system prune" takes */
  name: string;
  path: string;
  kind: Kind;
  /** The entry in the folder */
  entry: string;
  /** What it says of itself; null when it says nothing that is understood */
  vm: VmManifest | null;
  names: BaseName[] | null;
};

/** All that the state knows */
export type Known = {
  vms: readonly VmRecord[];
  images: readonly { digest: Digest | null }[];
  kernels: readonly { digest: Digest | null }[];
  /** Rows that are not understood: what they are of is not without a record */
  damaged: readonly { row: Readonly<Record<string, unknown>> }[];
};

type Paths = Pick<BangerPaths, 'data' | 'runtime'>;

export function findUnrecorded(paths: Paths, known: Known): Unrecorded[] {
  return [...findVms(paths, known), ...findBases(paths, 'image', known), ...findBases(paths, 'kernel', known)];
}

function findVms(paths: Paths, { vms, damaged }: Known): Unrecorded[] {
  const folders = createVmFolders({ dataFolder: paths.data, runtimeFolder: paths.runtime });
  const recorded = new Set<unknown>([...vms.map(({ id }) => id), ...damaged.map(({ row }) => row.id)]);
  return list(folders.data)
    .filter((entry) => !recorded.has(entry))
    .map((entry) => {
      const vm = isVmId(entry) ? readVmManifest(folders, entry) : null;
      return { name: `vms/${entry}`, path: join(folders.data, entry), kind: 'vm', entry, vm, names: null };
    });
}

function findBases(paths: Paths, kind: 'image' | 'kernel', known: Known): Unrecorded[] {
  const folder = join(paths.data, `${kind}s`);
  const digests = [
    ...known[`${kind}s`].map(({ digest }) => digest),
    ...known.vms.map((vm) => vm[`${kind}Digest`]),
    ...known.damaged.flatMap(({ row }) => [row.digest, row[`${kind}Digest`]]),
  ];
  const recorded = new Set(digests.map((digest) => String(digest).replace(/^sha256:/, '')));
  return list(folder)
    .filter((entry) => !recorded.has(entry) && !isStaging(entry))
    .map((entry) => {
      const path = join(folder, entry);
      return { name: `${kind}s/${entry}`, path, kind, entry, vm: null, names: readNames(path) };
    });
}

/** Vms without a record that were made from a digest: it stays as long as they do. */
export function unrecordedUsersOf(
  unrecorded: readonly Unrecorded[],
  field: 'imageDigest' | 'kernelDigest',
  digest: Digest,
): string[] {
  return unrecorded.flatMap(({ vm }) => (vm?.vm[field] === digest ? [`${vm.vm.name} (without a record)`] : []));
}

/** "web, a vm"; null when it says nothing */
export function describeUnrecorded({ kind, vm, names }: Unrecorded): string | null {
  const called = vm ? [vm.vm.name] : (names ?? []).map(({ name }) => name);
  return called.length === 0 ? null : `the ${kind} ${called.join(', ')}`;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return []; // there is none yet, or it cannot be looked into
  }
}
