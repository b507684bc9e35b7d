/** What somebody imports, recognised by what is in it: a root filesystem's tarball, an archive of an image, or a layout. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Task } from '../platform/task.ts';
import type { TarSource } from './build-rootfs.ts';
import { openArchive } from './oci/open-archive.ts';
import { openLayout } from './oci/open-layout.ts';
import { checkRef, lookAtStart, sortTar } from './oci/sort-tar.ts';
import { openSpan, type Refuse, spanOfFile } from './oci/span.ts';
import { openTarball } from './open-tarball.ts';
import { receiveTarball } from './receive-tarball.ts';
import { invalid } from './unpack-tar.ts';

const HINT = 'Save it once more: "docker save", "podman save" and "skopeo copy" write what banger takes.';
/** How much larger an image may be than its layers, which are packed better */
const GROWTH = 2;

export type Opened = {
  /** A guess at what the image will take */
  imageBytes: number;
  /** `workFolder` is for files on the way. */
  open: (workFolder: string) => { writeTo: TarSource };
};

const refuse: Refuse = (why, cause) => invalid(why, HINT, cause);

/** `ref` names one of several images. Throws FILE_NOT_FOUND, or IMAGE_INVALID for what is nothing of that. */
export async function openImport(task: Task, path: string, ref: string | null): Promise<Opened> {
  const image = isLayout(path) ? await openLayout(task, { ...layoutIn(path), hint: HINT, ref }) : null;
  if (image) return { imageBytes: image.layersBytes * GROWTH, open: () => image };
  const { imageBytes, compression, writeTo } = await openTarball(path);
  if (compression !== 'none') return { imageBytes, open: sorted(writeTo, ref) };
  const span = await spanOfFile(path);
  const bytes = await openSpan(span, refuse);
  const { isArchive } = await lookAtStart(bytes[Symbol.asyncIterator]()).finally(() => bytes.destroy());
  const saved = isArchive ? await openArchive(task, span, ref, refuse) : null;
  if (saved) return { imageBytes: saved.layersBytes * GROWTH, open: () => saved };
  checkRef(ref, refuse);
  return { imageBytes, open: () => ({ writeTo }) };
}

/** Of what a caller sends. */
export function openSent(tar: Readable, ref: string | null): Opened {
  return { imageBytes: 0, open: sorted((task, into) => receiveTarball(task, tar, into), ref) };
}

function sorted(unpack: Parameters<typeof sortTar>[0]['unpack'], ref: string | null): Opened['open'] {
  return (workFolder) => ({ writeTo: sortTar({ unpack, kept: join(workFolder, 'archive.tar'), ref, refuse }) });
}

function isLayout(path: string): boolean {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory();
  return isFolder === true && existsSync(join(path, 'oci-layout')) && existsSync(join(path, 'index.json'));
}

function layoutIn(folder: string) {
  return { index: join(folder, 'index.json'), blobs: join(folder, 'blobs') };
}
