/** What a name means in its registry becomes the image of that name, unless it is that already. */
import type { Digest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { familiarRef, type ImageRef } from '@banger/contract/image-ref.ts';
import type { RegistryAccess } from '@banger/contract/registry-access.ts';
import { nearest } from '@banger/contract/suggest.ts';
import type { Made, Recipe, Same, Shown } from '../bases/bases.ts';
import type { Task } from '../platform/task.ts';
import type { ImageRecord } from '../store/records/images.ts';
import type { TarSource } from './build-rootfs.ts';
import { openLayout } from './oci/open-layout.ts';
import type { Fetched, Registry } from './registry/registry.ts';

/** Layers are packed more tightly than a base is, most of the time */
const UNPACKED = 2;
const FETCH_AGAIN = 'Pull it once more: its layers are fetched anew.';

export type PullOptions = {
  /** Also when it is here as it is there */
  force?: boolean;
  access?: RegistryAccess;
};

type PullParts = {
  registry: Registry;
  records: { find: (name: string) => ImageRecord | null; list: () => ImageRecord[] };
  make: (
    task: Task,
    called: Pick<ImageRecord, 'name' | 'source'>,
    open: () => Promise<Recipe<ImageRecord> | Same<ImageRecord> | null>,
  ) => Promise<Shown<ImageRecord>>;
  fill: (task: Task, staged: string, open: () => { writeTo: TarSource }) => Promise<Made<ImageRecord>>;
  /** Names that somebody may have mistyped */
  listNames: () => string[];
  /** Whether the files of an image are there */
  isUsable: (digest: Digest) => boolean;
};

export function createPullImage({ registry, records, make, fill, listNames, isUsable }: PullParts) {
  /** Says what changed. Throws what `registry` does, IMAGE_INVALID and DISK_FULL; the image of that name is as it was then. */
  return async (
    task: Task,
    ref: ImageRef,
    { force = false, access = {} }: PullOptions,
  ): Promise<Shown<ImageRecord>> => {
    const name = familiarRef(ref);
    await using held = new AsyncDisposableStack();
    return await make(task, { name, source: 'registry' }, async () => {
      const before = force ? null : findUsable((record) => record.name === name);
      if (before?.pulled && ref.digest !== null) return isCurrent(task, before); // it cannot come to mean another
      const remote = await registry.look(task, ref, access).catch((fault) => {
        throw withNearest(fault, name, listNames());
      });
      const was = records.find(name)?.pulled?.manifestDigest ?? remote.digest;
      if (before && was === remote.digest) return isCurrent(task, before);
      const tell = () => was !== remote.digest && task.note(`${name}: ${was} → ${remote.digest}`);
      const pulled = { ref: remote.ref, manifestDigest: remote.digest };
      const twin = force ? null : findUsable((record) => record.pulled?.manifestDigest === remote.digest);
      if (twin) {
        const { digest, sizeBytes, config } = twin;
        task.note(`${name} is what ${twin.name} is.`);
        tell();
        return { same: { digest, sizeBytes, config, pulled } };
      }
      const fetched = held.use(await registry.fetch(task, remote, access));
      return {
        neededBytes: Math.ceil(remote.totalBytes * UNPACKED),
        fill: async (own, staged) => {
          const made = await fillFrom(own, staged, fetched);
          tell();
          return { ...made, pulled };
        },
      };
    });
  };

  function isCurrent(task: Task, { name, pulled }: ImageRecord): null {
    task.note(`${name} is up to date: ${pulled?.manifestDigest}`);
    return null;
  }

  function findUsable(isWanted: (record: ImageRecord) => boolean): ImageRecord | null {
    return records.list().find((record) => isWanted(record) && isUsable(record.digest)) ?? null;
  }

  /** What is not what its digests say is not believed again. */
  async function fillFrom(task: Task, staged: string, { index, blobs, distrust }: Fetched): Promise<Made<ImageRecord>> {
    try {
      const { writeTo } = await openLayout(task, { index, blobs, hint: FETCH_AGAIN });
      return await fill(task, staged, () => ({ writeTo }));
    } catch (fault) {
      if (fault instanceof BangerError && fault.code === 'IMAGE_INVALID') await distrust();
      throw fault;
    }
  }
}

/** A registry may hide what it does not have: a name that is nearly one of ours is told in either case. */
function withNearest(fault: unknown, name: string, known: string[]): unknown {
  if (
    !(fault instanceof BangerError) ||
    !/^(?:IMAGE_NOT_FOUND|REGISTRY_DENIED|REGISTRY_UNREACHABLE)$/.test(fault.code)
  ) {
    return fault;
  }
  const found = findNearest(name, known);
  if (found === null) return fault;
  const { message, hint, details = {}, cause } = fault;
  return new BangerError(fault.code, { message, hint: `Did you mean "${found}"? ${hint}`, details, cause });
}

/** Names of one registry have much in common: only the end of each is compared. */
function findNearest(name: string, known: string[]): string | null {
  const [start, end] = splitName(name);
  const ends = new Map<string, string>();
  for (const each of known) {
    const [head, tail] = splitName(each);
    if (head === start) ends.set(tail, each);
  }
  return ends.get(nearest(end, ends.keys()) ?? '') ?? null;
}

/** "ghcr.io/org/" and "app" */
function splitName(name: string): [start: string, end: string] {
  const plain = name.replace(/:latest$/, '');
  const at = plain.lastIndexOf('/') + 1;
  return [plain.slice(0, at), plain.slice(at)];
}
