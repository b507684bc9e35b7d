/**
 * The door to images: read-only root filesystems, each a squashfs file that is kept under its digest. Nothing of an
 * image is ever mounted or unpacked on the host. How names and digests go together is told in bases/bases.ts.
 */
import { accessSync, constants, lstatSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import type { Image } from '@banger/contract/api/images.ts';
import type { Digest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { familiarRef, parseImageRef } from '@banger/contract/image-ref.ts';
import type { PullChoice } from '@banger/contract/registry-access.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { createBases, type Made, type Recipe, type Shown } from '../bases/bases.ts';
import { allocatedBytesOf } from '../platform/allocated-bytes.ts';
import { digestFile, makePrivateFolder, sizeOfFile } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { Task } from '../platform/task.ts';
import { removeMappedTree } from '../platform/user-namespace.ts';
import type { ImageRecord, ImageRecords } from '../store/records/images.ts';
import { debianSource, NEEDED_BYTES } from './build-debian.ts';
import { buildRootfs, type TarSource } from './build-rootfs.ts';
import { type ImageCatalogEntry, readImageCatalog } from './catalog.ts';
import { describeImage, type ImageManifest, readManifest, writeManifest } from './image-manifest.ts';
import { createImageNames, describeSource } from './image-names.ts';
import { writeArchive } from './oci/write-archive.ts';
import { type Opened, openImport, openSent } from './open-import.ts';
import { createPullImage, type PullOptions } from './pull-image.ts';
import { receiveTarball } from './receive-tarball.ts';
import { createRegistry, type RegistryParts } from './registry/registry.ts';
import type { TarFilter } from './tar-filter.ts';

const BASE = 'base.squashfs';
const LARGE_HOME = { entries: 2000, bytes: 64 * 2 ** 20 };

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
  registry: RegistryParts;
  log: Log;
  now: () => Date;
};

/** Hands over the tar of a root; ends in what its image says of running it. */
type RootReader = (task: Task, receive: (tar: Readable) => Promise<void>) => Promise<ImageConfig | null>;

type FindOptions = Pick<PullOptions, 'access'> & { pull?: PullChoice };

export type Images = ReturnType<typeof createImages>;

export function createImages({ catalogFolder, proxies = {}, registry: registryParts, ...parts }: ImagesParts) {
  const { folder, records, log } = parts;
  const catalog = readImageCatalog(join(catalogFolder, 'images.json'));
  const names = createImageNames({ records, catalog });
  const registry = createRegistry(registryParts);
  const bases = createBases<ImageRecord, ImageCatalogEntry>({
    ...parts,
    kind: 'image',
    catalog,
    nothing: { digest: null, sizeBytes: null, createdAt: null, config: null, pulled: null },
    isWhole: isWholeImage,
    fromCatalog: ({ recipe }) => ({
      neededBytes: NEEDED_BYTES,
      fill: (task, staged) =>
        fill(task, staged, (workFolder) => ({
          writeTo: debianSource({ packages: recipe.packages, workFolder, proxies, log }),
        })),
    }),
  });
  const pullImage = createPullImage({
    ...{ registry, records, make: bases.make, fill, isUsable },
    listNames: () => bases.list().map(({ name }) => name),
  });
  return {
    ...{ list, show, find, findOrPull, pull, importFile, importSent, makeOf, exportImage },
    ...{ remove, release: bases.release, basePath, configOf, sweep },
  };

  async function list(): Promise<Image[]> {
    return Promise.all(bases.list().map(withSpace));
  }

  /** By a name as it is typed. Throws IMAGE_NOT_FOUND. */
  async function show(typed: string): Promise<Image> {
    return withSpace(bases.show(names.meantBy(typed)));
  }

  async function withSpace(shown: Shown<ImageRecord>): Promise<Image> {
    const { name, digest } = shown;
    if (digest === null) return { ...shown, allocatedBytes: null, sharedWith: [] };
    const others = records.list().filter((other) => other.digest === digest && other.name !== name);
    const allocatedBytes = await allocatedBytesOf(bases.folders.pathOf(digest));
    return { ...shown, allocatedBytes, sharedWith: others.map((other) => other.name) };
  }

  function find(typed: string): ImageRecord {
    return bases.find(names.meantBy(typed));
  }

  async function remove(task: Task, typed: string): Promise<void> {
    await bases.remove(task, names.meantBy(typed));
  }

  async function sweep(): Promise<void> {
    await bases.sweep();
    await registry.sweep();
  }

  /**
   * Fetched first where `pull` says so, and told which of those that could be meant it is; without a name, the catalog's
   * default. What is not of a registry is never asked for again.
   */
  async function findOrPull(task: Task, typed?: string, options: FindOptions = {}): Promise<ImageRecord> {
    const { pull: choice = 'missing', access = {} } = options;
    const name = typed === undefined ? bases.defaultName() : names.meantBy(typed);
    const isHere = names.isHere(name);
    const ref = names.refOf(name);
    if (choice === 'never' && !isHere) throw neverPulled(name);
    if (ref !== null && (choice === 'always' || !isHere)) await pullImage(task, ref, { access });
    const image = await bases.findOrPull(task, name);
    if (typed !== undefined && image.name === name) task.note(`image: ${describeSource(image)}`);
    return image;
  }

  /** Makes what the catalog has, unless it is here; of what a registry has, what the name means there today. */
  async function pull(task: Task, typed: string, options: PullOptions = {}): Promise<Image> {
    if (names.isInCatalog(typed)) {
      return withSpace(await bases.pull(task, typed, { force: options.force ?? false }));
    }
    const ref = parseImageRef(typed);
    if (records.find(typed)?.source === 'import') {
      task.note(`"${typed}" alone still means what was imported here; what is pulled is called "${familiarRef(ref)}".`);
    }
    return withSpace(await pullImage(task, ref, options));
  }

  function isUsable(digest: Digest): boolean {
    try {
      return basePath(digest) !== '';
    } catch {
      return false;
    }
  }

  /** Of a tarball, an archive or a layout; `ref` names one of several images in it. */
  async function importFile(task: Task, { name, path, ref = null }: Import & { path: string }): Promise<Image> {
    const added = await bases.add(task, name, async () => {
      task.step(`read ${path}`);
      return recipeOf(await openImport(task, path, ref));
    });
    return withSpace(added);
  }

  /** Of a tar that comes in meanwhile; destroys it unless it read all of it. */
  async function importSent(task: Task, { name, tar, ref = null }: Import & { tar: Readable }): Promise<Image> {
    try {
      const added = await bases.add(task, name, () => {
        task.step('read the tar');
        return recipeOf(openSent(tar, ref));
      });
      return await withSpace(added);
    } finally {
      tar.destroy();
    }
  }

  /** Of the root that an agent reads, once the name is found free, or one that may come to mean this. Throws IMAGE_EXISTS. */
  async function makeOf(
    task: Task,
    { name, force }: { name: string; force: boolean },
    read: RootReader,
  ): Promise<Image> {
    const writeTo: TarSource = (own, filter) => {
      Object.assign(filter, { needsShell: false, isOfAgent: true });
      return read(own, async (tar) => {
        await receiveTarball(own, tar, filter);
        noteLargeHome(own, filter);
      });
    };
    const added = await bases.add(task, name, () => {
      if (!force && (records.find(name) !== null || names.isInCatalog(name))) throw nameTaken(name);
      return recipeOf({ imageBytes: 0, open: () => ({ writeTo }) });
    });
    return withSpace(added);
  }

  /** As an OCI archive, once its layer is packed; what it is packed into goes when all was read, or the task ends. */
  async function exportImage(task: Task, typed: string): Promise<Readable> {
    const { name, digest, config, sizeBytes } = find(typed);
    const base = basePath(digest);
    const begun = Promise.withResolvers<Readable>();
    const sent = new PassThrough();
    const sending = bases.folders.stage(sizeBytes, async (workFolder) => {
      const archive = await writeArchive(task, { base, config, name, workFolder });
      begun.resolve(sent);
      await pipeline(archive, sent, { signal: task.signal });
    });
    sending.catch((fault) => begun.reject(fault)); // once it has begun, the pipeline tells the stream
    return begun.promise;
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

  /** What the image of a digest says of running it, whatever its names stand for by now; null where it says nothing. */
  function configOf(digest: Digest): ImageConfig | null {
    const record = records.list().find((each) => each.digest === digest);
    return record ? record.config : (readManifest(bases.folders.pathOf(digest))?.config ?? null);
  }
}

function neverPulled(name: string): BangerError {
  return new BangerError('IMAGE_NOT_FOUND', {
    message: `The image "${name}" is not here, and "--pull never" keeps it from being fetched.`,
    hint: `Fetch it with "banger image pull ${name}", or leave --pull out.`,
    details: { image: name },
  });
}

function nameTaken(name: string): BangerError {
  return new BangerError('IMAGE_EXISTS', {
    message: `There is an image named "${name}".`,
    hint: 'Choose another name. With --force the name means the new one; vms keep what they were made from.',
    details: { image: name },
  });
}

function unusable(code: 'IMAGE_NOT_FOUND' | 'IMAGE_DAMAGED', digest: Digest, how: string): BangerError {
  return new BangerError(code, {
    message: `The base of the image ${digest} ${how}.`,
    hint: 'Was it changed by hand? Import the same file again, or bring it back from a copy.',
    details: { image: digest },
  });
}

/** What the folder of an image says of itself; null unless its base is there as it says. */
export function readImageFolder(folder: string): ImageManifest | null {
  try {
    const manifest = readManifest(folder);
    return manifest !== null && sizeOfFile(join(folder, BASE)) === manifest.sizeBytes ? manifest : null;
  } catch {
    return null;
  }
}

/** Whether its base is the one that its digest was made from. */
export async function isWholeImage(task: Task, folder: string): Promise<boolean> {
  const facts = readImageFolder(folder);
  return facts !== null && (await digestFile(task, join(folder, BASE))) === facts.baseDigest;
}

/** A machine copies thousands of files, or as many MiB, in some seconds, and in a minute where it is emulated. */
function noteLargeHome(task: Task, { home: { entries, bytes } }: TarFilter): void {
  if (entries < LARGE_HOME.entries && bytes < LARGE_HOME.bytes) return;
  task.note(
    `/root has ${formatSize(bytes)} in ${entries} files and folders, which each vm of this image copies to its disk when it ` +
      'first boots, before it answers. What is in /opt or /srv is not copied.',
  );
}

type Import = { name: string; ref?: string | null | undefined };

function recipeOf({ imageBytes, open }: Opened): Recipe<ImageRecord> {
  return { neededBytes: imageBytes, fill: (task, staged) => fill(task, staged, open) };
}

/** Where an image's files come from */
type ImageSource = { writeTo: TarSource };

async function fill(
  task: Task,
  staged: string,
  open: (workFolder: string) => ImageSource | Promise<ImageSource>,
): Promise<Made<ImageRecord>> {
  const base = join(staged, BASE);
  const workFolder = join(staged, 'work');
  await makePrivateFolder(workFolder);
  const { writeTo } = await open(workFolder);
  const config = await buildRootfs(task, writeTo, base);
  await removeMappedTree(task, workFolder);
  task.step('store the image');
  const { size } = await stat(base);
  const manifest = describeImage(await digestFile(task, base), size, config);
  await writeManifest(staged, manifest);
  return { digest: manifest.digest, sizeBytes: size, config, pulled: null };
}
