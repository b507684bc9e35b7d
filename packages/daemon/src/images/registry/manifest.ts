/** What a registry says of an image, as it came: an index of images for machines of many kinds, or one image. Decides only. */
import { cleanQuote } from '@banger/contract/clean-text.ts';
import type { Digest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { digestBytes } from '../../platform/files.ts';
import { choosePlatform } from '../oci/choose-image.ts';
import { type Descriptor, indexSchema, MAX_DOCUMENT_BYTES, manifestSchema } from '../oci/documents.ts';
import { CONFIGS, LAYER } from '../oci/media-types.ts';

/** Of all layers as they are sent */
const MAX_LAYERS_BYTES = 256 * 2 ** 30;

export type Blob = { digest: Digest; sizeBytes: number };
export type RemoteImage = { is: 'image'; digest: Digest; blobs: Blob[]; totalBytes: number };
export type RemoteIndex = { is: 'index'; digest: Digest; amd64: Digest };

/** Throws IMAGE_UNSUPPORTED for what is no image, IMAGE_PLATFORM for an index without one for this kind of machine. */
export function readManifest(bytes: Buffer, name: string): RemoteImage | RemoteIndex {
  const digest = digestBytes(bytes);
  const value = parseJson(bytes, name);
  const index = indexSchema.safeParse(value);
  const image = manifestSchema.safeParse(value);
  // One that is both would be another thing to each of its readers.
  if (index.success && image.success) throw unsupported(name, 'two things at once, an index and an image');
  if (index.success) return { is: 'index', digest, amd64: chooseAmd64(index.data.manifests, name) };
  if (image.success) return { is: 'image', digest, ...readImage(image.data, name) };
  const isOld = (value as { schemaVersion?: unknown } | null)?.schemaVersion === 1;
  throw unsupported(
    name,
    isOld ? 'a manifest of the first version, which registries gave up in 2017' : 'no manifest of an image',
  );
}

function parseJson(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw unsupported(name, 'no manifest at all');
  }
}

function chooseAmd64(entries: Descriptor[], name: string): Digest {
  const refuse = (why: string) =>
    new BangerError('IMAGE_PLATFORM', {
      message: `"${name}" has no image for linux/amd64.`,
      hint: `${why}.`,
      details: { image: name },
    });
  return (choosePlatform(entries, refuse)[0] as Descriptor).digest;
}

type Manifest = { config: Descriptor; layers: Descriptor[] };

function readImage({ config, layers }: Manifest, name: string): Pick<RemoteImage, 'blobs' | 'totalBytes'> {
  if (!CONFIGS.includes(config.mediaType)) {
    throw unsupported(name, `not an image of a system, but "${cleanQuote(config.mediaType, 100)}"`);
  }
  const odd = layers.find((layer) => !LAYER.test(layer.mediaType));
  if (odd)
    throw unsupported(name, `made of layers of a kind that banger does not read, "${cleanQuote(odd.mediaType, 100)}"`);
  if (config.size > MAX_DOCUMENT_BYTES)
    throw unsupported(name, `described by more than ${formatSize(MAX_DOCUMENT_BYTES)}`);
  const all = new Map([...layers, config].map(({ digest, size }) => [digest, { digest, sizeBytes: size }]));
  const blobs = [...all.values()];
  const totalBytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (totalBytes > MAX_LAYERS_BYTES) throw unsupported(name, `larger than ${formatSize(MAX_LAYERS_BYTES)}`);
  return { blobs, totalBytes };
}

function unsupported(name: string, what: string): BangerError {
  return new BangerError('IMAGE_UNSUPPORTED', {
    message: `What the registry has as "${name}" is ${what}.`,
    hint: 'banger takes images of Linux systems, in the formats of OCI and of Docker since 2016, with layers of tar, gzip or zstd.',
    details: { image: name },
  });
}
