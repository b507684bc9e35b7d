/**
 * The door to images: read-only root filesystems, each a squashfs file that is kept under its digest. Nothing of an
 * image is ever mounted or unpacked on the host. How names and digests go together is told in bases/bases.ts.
 */
import { accessSync, constants, lstatSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { digestSchema, type Image } from '@banger/contract/api/images.ts';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { z } from 'zod';
import { createBases, type Made } from '../bases/bases.ts';
import { digestFile, makePrivateFolder, readSmallFile, sizeOfFile, writeFileDurably } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { Task } from '../platform/task.ts';
import { removeMappedTree } from '../platform/user-namespace.ts';
import type { ImageRecord, ImageRecords } from '../store/records/images.ts';
import { debianSource, NEEDED_BYTES } from './build-debian.ts';
import { buildRootfs, type TarSource } from './build-rootfs.ts';
import { type ImageCatalogEntry, readImageCatalog } from './catalog.ts';
import { openTarball } from './open-tarball.ts';
import { receiveTarball } from './receive-tarball.ts';

const BASE = 'base.squashfs';

export type ImagesParts = {
  records: ImageRecords;
  /** `<folder>/<digest>/base.squashfs` */
  folder: string;
  /** Holds images.json */
  catalogFolder: string;
  /** Names of the vms that were made from a digest */
  usedBy: (digest: Digest) => string[];
  areVmsKnown: () => boolean;
  /** Variables by which apt finds a proxy */
  proxies?: Readonly<Record<string, string>>;
  log: Log;
  now: () => Date;
};

export type Images = ReturnType<typeof createImages>;

export function createImages({ catalogFolder, proxies = {}, ...parts }: ImagesParts) {
  const { folder, log } = parts;
  const bases = createBases<ImageRecord, ImageCatalogEntry>({
    ...parts,
    kind: 'image',
    catalog: readImageCatalog(join(catalogFolder, 'images.json')),
    nothing: { digest: null, sizeBytes: null, createdAt: null },
    isWhole: isWholeImage,
    fromCatalog: ({ recipe }) => ({
      neededBytes: NEEDED_BYTES,
      fill: (task, staged) =>
        fill(task, staged, (workFolder) => debianSource({ packages: recipe.packages, workFolder, proxies, log })),
    }),
  });
  const { list, show, find, findOrPull, pull, remove, sweep } = bases;
  return { list, show, find, findOrPull, pull, importTarball, importSent, remove, basePath, sweep };

  async function importTarball(task: Task, { name, path }: { name: string; path: string }): Promise<Image> {
    return bases.add(task, name, async () => {
      const { imageBytes, writeTo } = await openTarball(path);
      task.step(`read ${path}`);
      return { neededBytes: imageBytes, fill: (task, staged) => fill(task, staged, () => writeTo) };
    });
  }

  /** Of a tarball that comes in meanwhile; destroys `tar` unless it read all of it. */
  async function importSent(task: Task, { name, tar }: { name: string; tar: Readable }): Promise<Image> {
    try {
      return await bases.add(task, name, () => {
        task.step('read the tar');
        const source: TarSource = (own, into) => receiveTarball(own, tar, into);
        return { neededBytes: 0, fill: (own, staged) => fill(own, staged, () => source) };
      });
    } finally {
      tar.destroy();
    }
  }

  /** The file that a machine gets as its first drive. Throws IMAGE_NOT_FOUND, IMAGE_DAMAGED. */
  function basePath(digest: Digest): string {
    const files = bases.folders.pathOf(digest);
    const path = join(files, BASE);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found) throw unusable('IMAGE_NOT_FOUND', digest, `is not in ${folder}`);
    const toldBytes = readManifest(files)?.sizeBytes ?? found.size;
    const isCut = !found.isFile() || found.size === 0 || found.size !== toldBytes;
    if (isCut) throw unusable('IMAGE_DAMAGED', digest, `is not as it was left: ${path}`);
    accessSync(path, constants.R_OK);
    return path;
  }
}

function unusable(code: 'IMAGE_NOT_FOUND' | 'IMAGE_DAMAGED', digest: Digest, how: string): BangerError {
  return new BangerError(code, {
    message: `The base of the image ${digest} ${how}.`,
    hint: 'Was it changed by hand? Import the same file again, or bring it back from a copy.',
    details: { image: digest },
  });
}

const manifestSchema = z.object({ v: z.literal(1), digest: digestSchema, sizeBytes: z.int().min(0) });

/** What the folder of an image says of itself; null unless its base is there as it says. */
export function readImageFolder(folder: string): { digest: Digest; sizeBytes: number } | null {
  try {
    const manifest = readManifest(folder);
    const isThere = manifest !== null && sizeOfFile(join(folder, BASE)) === manifest.sizeBytes;
    return isThere ? { digest: manifest.digest, sizeBytes: manifest.sizeBytes } : null;
  } catch {
    return null;
  }
}

/** Whether its base is the one that its digest was made from. */
export async function isWholeImage(task: Task, folder: string): Promise<boolean> {
  const facts = readImageFolder(folder);
  return facts !== null && (await digestFile(task, join(folder, BASE))) === facts.digest;
}

/** Null for one that is not understood, or of another digest than the folder's. */
function readManifest(folder: string): z.infer<typeof manifestSchema> | null {
  try {
    const manifest = manifestSchema.parse(JSON.parse(readSmallFile(join(folder, 'manifest.json'))));
    return hexOf(manifest.digest) === basename(folder) ? manifest : null;
  } catch {
    return null;
  }
}

async function fill(task: Task, staged: string, make: (workFolder: string) => TarSource): Promise<Made<ImageRecord>> {
  const base = join(staged, BASE);
  const workFolder = join(staged, 'work');
  await makePrivateFolder(workFolder);
  await buildRootfs(task, make(workFolder), base);
  await removeMappedTree(task, workFolder);
  task.step('store the image');
  const digest = await digestFile(task, base);
  const { size: sizeBytes } = await stat(base);
  await writeFileDurably(join(staged, 'manifest.json'), JSON.stringify({ v: 1, digest, sizeBytes }));
  return { digest, sizeBytes };
}
