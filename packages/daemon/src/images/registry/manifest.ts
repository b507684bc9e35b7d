/** What a registry says of an image, as it came: an index of images for machines of many kinds, or one image. Decides only. */
import { createHash } from 'node:crypto';
import { digestSchema } from '@banger/contract/api/images.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import type { Digest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import { z } from 'zod';

const MAX_ENTRIES = 1000;
const MAX_LAYERS = 512;
/** Of all layers as they are sent */
const MAX_LAYERS_BYTES = 256 * 2 ** 30;
const MAX_CONFIG_BYTES = 4 * 2 ** 20;

const CONFIGS = ['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json'];
const LAYER =
  /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(?:\.gzip|\.zstd)?)$/;

const mediaType = z.string().max(256);
const descriptor = z.object({ mediaType, digest: digestSchema, size: z.int().min(0) });
const platform = z.object({
  os: z.string().max(64),
  architecture: z.string().max(64),
  variant: z.string().max(64).optional(),
});

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  manifests: z.array(z.object({ ...descriptor.shape, platform: platform.optional() })).max(MAX_ENTRIES),
});
const imageSchema = z.object({
  schemaVersion: z.literal(2),
  config: descriptor,
  layers: z.array(descriptor).max(MAX_LAYERS),
});

export type Blob = { digest: Digest; sizeBytes: number };
export type RemoteImage = { is: 'image'; digest: Digest; blobs: Blob[]; totalBytes: number };
export type RemoteIndex = { is: 'index'; digest: Digest; amd64: Digest };

/** Throws IMAGE_UNSUPPORTED for what is no image, IMAGE_PLATFORM for an index without one for this kind of machine. */
export function readManifest(bytes: Buffer, name: string): RemoteImage | RemoteIndex {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
  const value = parseJson(bytes, name);
  const index = indexSchema.safeParse(value);
  if (index.success) return { is: 'index', digest, amd64: chooseAmd64(index.data.manifests, name) };
  const image = imageSchema.safeParse(value);
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

type Entry = z.infer<typeof indexSchema>['manifests'][number];

/** One that says nothing of its platform is taken where there is nothing better, as by other programs. */
function chooseAmd64(entries: Entry[], name: string): Digest {
  const own = entries.filter((each) => each.platform?.os === 'linux' && each.platform.architecture === 'amd64');
  const found = own.find((each) => !each.platform?.variant) ?? own[0] ?? entries.find((each) => !each.platform);
  if (found) return found.digest;
  const platforms = [...new Set(entries.map((each) => `${each.platform?.os}/${each.platform?.architecture}`))];
  const there = platforms.filter((each) => each !== 'unknown/unknown').map((each) => cleanQuote(each, 60));
  throw new BangerError('IMAGE_PLATFORM', {
    message: `"${name}" has no image for linux/amd64.`,
    hint: there.length > 0 ? `It has: ${there.slice(0, 12).join(', ')}.` : 'It has none for any machine.',
    details: { image: name, platforms: there.slice(0, 100) },
  });
}

function readImage(
  { config, layers }: z.infer<typeof imageSchema>,
  name: string,
): Pick<RemoteImage, 'blobs' | 'totalBytes'> {
  if (!CONFIGS.includes(config.mediaType)) {
    throw unsupported(name, `not an image of a system, but "${cleanQuote(config.mediaType, 100)}"`);
  }
  const odd = layers.find((layer) => !LAYER.test(layer.mediaType));
  if (odd)
    throw unsupported(name, `made of layers of a kind that banger does not read, "${cleanQuote(odd.mediaType, 100)}"`);
  if (config.size > MAX_CONFIG_BYTES) throw unsupported(name, `described by more than ${formatSize(MAX_CONFIG_BYTES)}`);
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
