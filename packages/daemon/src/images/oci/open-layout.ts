/**
 * The door to OCI images that are on the host: a layout (index.json and blobs), whoever wrote it. Nothing in it is believed
 * that its digests do not say, and nothing of it is unpacked: an image is its configuration, and a tar of all its layers.
 */
import { join } from 'node:path';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import type { Task } from '../../platform/task.ts';
import type { TarSource } from '../build-rootfs.ts';
import { invalid } from '../unpack-tar.ts';
import { chooseImage, choosePlatform, isOurs } from './choose-image.ts';
import { configSchema, type Descriptor, indexSchema, manifestSchema, readDocument } from './documents.ts';
import { imageConfigOf } from './image-config-of.ts';
import { CONFIGS, INDEXES, LAYER, MANIFESTS } from './media-types.ts';
import { mergeLayers } from './merge-layers.ts';
import type { Layer } from './read-layer.ts';
import { type Refuse, type Span, spanOfFile } from './span.ts';

export type OciImage = {
  /** Null for one that was saved without a manifest */
  manifestDigest: Digest | null;
  config: ImageConfig;
  /** As they are packed */
  layersBytes: number;
  /** Ends in its configuration */
  writeTo: TarSource;
};

type Layout = {
  /** Path of its index.json */
  index: string;
  /** Path of the folder in which its blobs are, by algorithm and digest */
  blobs: string;
  /** What to do about one that is damaged or no image */
  hint: string;
  /** Which of several images */
  ref?: string | null;
};

/** Throws IMAGE_INVALID for what is no image for machines, or not whole. Its layers are checked while they are read. */
export async function openLayout(
  task: Task,
  { index, blobs, hint, ref = null }: Layout,
): Promise<OciImage & { manifestDigest: Digest }> {
  task.check();
  const refuse: Refuse = (why, cause) => invalid(why, hint, cause);
  const span = await spanOfFile(index).catch((fault: Error) => {
    throw refuse(`It has no index.json that can be read: ${fault.message}`, fault);
  });
  // Null where there is no such blob
  const find = (digest: Digest) => spanOfFile(join(blobs, 'sha256', hexOf(digest))).catch(() => null);
  return openIndex(span, { find, refuse, ref });
}

export type Opening = {
  find: (digest: Digest) => Promise<Span | null>;
  refuse: Refuse;
  ref: string | null;
};

/** Indexes in indexes */
const MAX_DEPTH = 4;

export async function openIndex(index: Span, opening: Opening): Promise<OciImage & { manifestDigest: Digest }> {
  const { find, refuse, ref } = opening;
  const { manifests } = await readDocument(
    index,
    { what: 'Its index.json', schema: indexSchema, digest: null },
    refuse,
  );
  let found = choosePlatform(chooseImage(manifests, ref, refuse), refuse)[0] as Descriptor;
  for (let depth = 0; INDEXES.includes(found.mediaType); depth++) {
    if (depth === MAX_DEPTH) throw refuse('Its indexes lead to further indexes without an end');
    const reading = { what: 'The index of its platforms', schema: indexSchema, digest: found.digest };
    const inner = await readDocument(await spanOf(found, find, refuse), reading, refuse);
    found = choosePlatform(inner.manifests, refuse)[0] as Descriptor;
  }
  const image = await openManifest(found, opening);
  return { ...image, manifestDigest: found.digest };
}

async function openManifest(descriptor: Descriptor, { find, refuse }: Opening): Promise<OciImage> {
  const { digest, mediaType } = descriptor;
  if (!MANIFESTS.includes(mediaType)) throw refuse(`It is no image: it is of the type "${cleanQuote(mediaType, 100)}"`);
  const reading = { what: 'Its manifest', schema: manifestSchema, digest };
  const { config, layers } = await readDocument(await spanOf(descriptor, find, refuse), reading, refuse);
  if (!CONFIGS.includes(config.mediaType)) {
    throw refuse(`It is no image: its configuration is of the type "${cleanQuote(config.mediaType, 100)}"`);
  }
  const unknown = layers.find((layer) => !LAYER.test(layer.mediaType));
  if (unknown) throw refuse(`It has a layer of the type "${cleanQuote(unknown.mediaType, 100)}"`);
  const blobs = [];
  for (const layer of layers) blobs.push({ span: await spanOf(layer, find, refuse), digest: layer.digest });
  return openConfig(await spanOf(config, find, refuse), { digest: config.digest, blobs, refuse });
}

type Parts = { digest: Digest | null; blobs: readonly Omit<Layer, 'diffId'>[]; refuse: Refuse };

/** The image of a configuration, of which `blobs` are the layers. */
export async function openConfig(span: Span, { digest, blobs, refuse }: Parts): Promise<OciImage> {
  const document = await readDocument(span, { what: 'Its configuration', schema: configSchema, digest }, refuse);
  const { os, architecture, rootfs } = document;
  if ((os || architecture) && !isOurs({ os, architecture })) {
    throw refuse(`It is for ${cleanQuote(`${os}/${architecture}`, 80)}; machines run linux/amd64`);
  }
  if (rootfs.diff_ids.length !== blobs.length) {
    throw refuse(`Its configuration tells of ${rootfs.diff_ids.length} layers, and it has ${blobs.length}`);
  }
  const config = imageConfigOf(document, refuse);
  const layers = blobs.map((blob, index) => ({ ...blob, diffId: rootfs.diff_ids[index] as Digest }));
  return {
    manifestDigest: null,
    config,
    layersBytes: layers.reduce((sum, { span }) => sum + span.bytes, 0),
    async writeTo(task, tar) {
      tar.needsShell = false;
      await mergeLayers(task, { layers, refuse }, tar);
      return config;
    },
  };
}

async function spanOf({ digest, size }: Descriptor, find: Opening['find'], refuse: Refuse): Promise<Span> {
  const span = await find(digest);
  if (span === null) throw refuse(`Its blob ${digest} is missing`);
  if (span.bytes !== size) throw refuse(`Its blob ${digest} has ${span.bytes} bytes, and is to have ${size}`);
  return span;
}
