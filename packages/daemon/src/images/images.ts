/**
 * The door to images: read-only root filesystems, each a squashfs file that is kept under its digest.
 *
 * A name is a pointer to a digest and may move to another; a vm keeps the digest that it was made from, and that base
 * stays as long as a name or a vm needs it. Nothing of an image is ever mounted or unpacked on the host.
 */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image } from '@banger/contract/api/images.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { parseCatalogName } from '@banger/contract/names.ts';
import { createDigestFolders } from '../bases/digest-folders.ts';
import { digestFile, makePrivateFolder, writeFileDurably } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { createOneAtATime } from '../platform/one-at-a-time.ts';
import type { Task } from '../platform/task.ts';
import { removeMappedTree } from '../platform/user-namespace.ts';
import type { ImageRecord, ImageRecords } from '../store/records/images.ts';
import { debianSource, NEEDED_BYTES } from './build-debian.ts';
import { buildRootfs, type TarSource } from './build-rootfs.ts';
import { type ImageCatalogEntry, readImageCatalog } from './catalog.ts';
import { openTarball } from './open-tarball.ts';

const BASE = 'base.squashfs';

export type ImagesParts = {
  records: ImageRecords;
  /** `<folder>/<digest>/base.squashfs` */
  folder: string;
  /** Holds images.json */
  catalogFolder: string;
  /** Names of the vms that were made from a digest */
  usedBy: (digest: string) => string[];
  log: Log;
  now: () => Date;
};

export type Images = ReturnType<typeof createImages>;

export function createImages({ records, folder, catalogFolder, usedBy, log, now }: ImagesParts) {
  const catalog = readImageCatalog(join(catalogFolder, 'images.json'));
  const folders = createDigestFolders({ folder, log });
  const oneAtATime = createOneAtATime();
  return { list, show, find, findOrPull, pull, importTarball, remove, basePath, sweep };

  /** What is here, and what the catalog could bring. */
  function list(): Image[] {
    const here = records.list();
    const absent = catalog.filter(({ name }) => !here.some((record) => record.name === name));
    return [...here.map(toImage), ...absent.map(toAbsentImage)].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws IMAGE_NOT_FOUND for what is neither here nor in the catalog. */
  function show(ref: string): Image {
    const entry = catalog.find(({ name }) => name === ref);
    return entry && !records.find(ref) ? toAbsentImage(entry) : toImage(find(ref));
  }

  /** An image that is here, by name, digest, or the digest's first eight digits or more. Throws IMAGE_NOT_FOUND. */
  function find(ref: string): ImageRecord {
    const record = records.find(ref) ?? findByDigest(ref);
    if (record) return record;
    const inCatalog = catalog.some(({ name }) => name === ref);
    throw new BangerError('IMAGE_NOT_FOUND', {
      message: inCatalog ? `The image "${ref}" is in the catalog, but not here yet.` : `There is no image "${ref}".`,
      hint: inCatalog ? `Fetch it with "banger image pull ${ref}".` : 'See what there is with "banger image ls".',
      details: { image: ref },
    });
  }

  /** The image, fetched first if it is only in the catalog; without a name, the catalog's default. */
  async function findOrPull(task: Task, ref = defaultName()): Promise<ImageRecord> {
    const isAbsent = catalog.some(({ name }) => name === ref) && !records.find(ref);
    if (isAbsent) await pull(task, ref);
    return find(ref);
  }

  /** Makes a catalog entry's image; does nothing when it is here, unless forced. */
  async function pull(task: Task, name: string, { force = false } = {}): Promise<Image> {
    const entry = catalog.find((candidate) => candidate.name === name);
    if (!entry) {
      throw new BangerError('IMAGE_NOT_FOUND', {
        message: `The catalog has no image "${name}".`,
        hint: `It has: ${catalog.map((known) => known.name).join(', ')}. A tarball of your own comes in with "banger image import".`,
        details: { image: name },
      });
    }
    return oneAtATime.run(task, name, async () => {
      if (records.find(name) && !force) {
        task.note(`The image "${name}" is here already; --force makes it anew.`);
        return show(name);
      }
      const make = (workFolder: string) => debianSource({ packages: entry.recipe.packages, workFolder, log });
      return install(task, { name, source: 'catalog', neededBytes: NEEDED_BYTES, make });
    });
  }

  async function importTarball(task: Task, { name, path }: { name: string; path: string }): Promise<Image> {
    parseCatalogName(name);
    return oneAtATime.run(task, name, async () => {
      const { imageBytes, writeTo } = await openTarball(path);
      task.step(`read ${path}`);
      return install(task, { name, source: 'import', neededBytes: imageBytes, make: () => writeTo });
    });
  }

  /** Forgets a name, and its base if nothing else needs it. Throws IMAGE_IN_USE while a vm was made from it. */
  async function remove(task: Task, name: string): Promise<void> {
    await oneAtATime.run(task, name, async () => {
      const record = records.find(name) ?? find(name);
      const hasOtherName = records.list().some((other) => other.name !== name && other.digest === record.digest);
      const vms = usedBy(record.digest);
      if (vms.length > 0 && !hasOtherName) {
        throw new BangerError('IMAGE_IN_USE', {
          message: `The image "${name}" is the root of ${vms.length === 1 ? 'the vm' : 'the vms'} ${vms.join(', ')}.`,
          hint: `Remove ${vms.length === 1 ? 'it' : 'them'} first with "banger vm rm".`,
          details: { image: name, vms },
        });
      }
      records.remove(record.name);
      await sweep();
    });
  }

  /** The file that a machine gets as its first drive. Throws IMAGE_NOT_FOUND. */
  function basePath(digest: string): string {
    const path = join(folders.pathOf(digest), BASE);
    if (existsSync(path)) return path;
    throw new BangerError('IMAGE_NOT_FOUND', {
      message: `The base of the image ${digest} is not in ${folder}.`,
      hint: 'Was it removed by hand? Pull or import the same image again.',
      details: { image: digest },
    });
  }

  /** Removes what was left unfinished and what neither a name nor a vm needs: at the daemon's start, after a removal. */
  async function sweep(): Promise<void> {
    const isNamed = (digest: string) => records.list().some((record) => record.digest === digest);
    await folders.sweep((digest) => isNamed(digest) || usedBy(digest).length > 0);
  }

  async function install(task: Task, { name, source, neededBytes, make }: Installation): Promise<Image> {
    await folders.stage(neededBytes, async (staged) => {
      const base = join(staged, BASE);
      const workFolder = join(staged, 'work');
      await makePrivateFolder(workFolder);
      await buildRootfs(task, make(workFolder), base);
      await removeMappedTree(task, workFolder);
      task.step('store the image');
      const digest = await digestFile(task, base);
      const { size: sizeBytes } = await stat(base);
      const record: ImageRecord = { name, digest, source, sizeBytes, createdAt: now().toISOString() };
      await writeFileDurably(join(staged, 'manifest.json'), JSON.stringify({ v: 1, ...record }));
      await folders.place(staged, digest, () => records.put(record));
    });
    await sweep(); // the base that the name stood for before
    return show(name);
  }

  function findByDigest(ref: string): ImageRecord | null {
    const prefix = ref.replace(/^sha256:/, '');
    if (!/^[0-9a-f]{8,64}$/.test(prefix)) return null;
    return records.list().find(({ digest }) => digest.startsWith(`sha256:${prefix}`)) ?? null;
  }

  function defaultName(): string {
    return (catalog.find((entry) => entry.default) ?? (catalog[0] as ImageCatalogEntry)).name;
  }

  function toImage(record: ImageRecord): Image {
    const entry = catalog.find(({ name }) => name === record.name);
    return {
      ...record,
      description: record.source === 'catalog' ? (entry?.description ?? '') : 'imported',
      usedBy: usedBy(record.digest),
      isDefault: record.name === defaultName(),
    };
  }

  function toAbsentImage({ name, description }: ImageCatalogEntry): Image {
    const isDefault = name === defaultName();
    return {
      name,
      digest: null,
      description,
      source: 'catalog',
      sizeBytes: null,
      createdAt: null,
      usedBy: [],
      isDefault,
    };
  }
}

type Installation = {
  name: string;
  source: ImageRecord['source'];
  neededBytes: number;
  make: (workFolder: string) => TarSource;
};
