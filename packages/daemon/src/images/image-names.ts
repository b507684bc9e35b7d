/**
 * Which image a name means. What is called so here comes first, then the catalog, then digests, and only then what a registry
 * may have: "alpine" is an image of that name where there is one, and else "alpine:latest".
 */
import { isMeantBy } from '@banger/contract/digest.ts';
import { familiarRef, type ImageRef, repositoryOf, tryImageRef } from '@banger/contract/image-ref.ts';
import type { ImageRecord } from '../store/records/images.ts';

type NamesParts = {
  records: { list: () => ImageRecord[]; find: (name: string) => ImageRecord | null };
  catalog: readonly { name: string }[];
};

export function createImageNames({ records, catalog }: NamesParts) {
  return { meantBy, isHere, isInCatalog, refOf };

  /** The name of a record or of the catalog, a digest as it was typed, or the name that a pulled image will have. */
  function meantBy(typed: string): string {
    if (isInCatalog(typed) || isHere(typed)) return typed;
    const ref = tryImageRef(typed);
    return ref === null ? typed : familiarRef(ref);
  }

  /** By its name or its digest */
  function isHere(name: string): boolean {
    return records.find(name) !== null || records.list().some(({ digest }) => isMeantBy(digest, name));
  }

  function isInCatalog(name: string): boolean {
    return catalog.some((entry) => entry.name === name);
  }

  /** What a registry would be asked for by this name; null for what is from elsewhere, or meant by its digest. */
  function refOf(name: string): ImageRef | null {
    const isFromElsewhere = records.find(name)?.source !== 'registry' && (isInCatalog(name) || isHere(name));
    return isFromElsewhere ? null : tryImageRef(name);
  }
}

/** "alpine:latest, from docker.io/library/alpine" */
export function describeSource({ name, source, pulled }: Pick<ImageRecord, 'name' | 'source' | 'pulled'>): string {
  if (source === 'catalog') return `${name}, of banger's catalog`;
  const ref = pulled && tryImageRef(pulled.ref);
  return ref === null ? `${name}, which was imported here` : `${name}, from ${repositoryOf(ref)}`;
}
