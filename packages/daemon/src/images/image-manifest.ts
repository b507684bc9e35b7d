/**
 * What an image is, told by its own folder. Its digest is that of its base where that is all; with a configuration it is
 * the digest of both, so that two images of the same files which run differently never stand for one another, and a vm,
 * which keeps a digest, keeps what it was to run as well.
 */
import { basename, join } from 'node:path';
import { type ImageConfig, imageConfigSchema } from '@banger/contract/api/image-config.ts';
import { digestSchema } from '@banger/contract/api/images.ts';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import { z } from 'zod';
import { digestBytes, readSmallFile, writeFileDurably } from '../platform/files.ts';

const FILE = 'manifest.json';
/** More than the largest configuration takes */
const MAX_BYTES = 2 * 2 ** 20;

const sizeBytes = z.int().min(0);
const writtenSchema = z.discriminatedUnion('v', [
  z.object({ v: z.literal(1), digest: digestSchema, sizeBytes }),
  z.object({ v: z.literal(2), digest: digestSchema, baseDigest: digestSchema, sizeBytes, config: imageConfigSchema }),
]);

export type ImageManifest = {
  digest: Digest;
  /** Of the read-only base file */
  baseDigest: Digest;
  /** Of that file */
  sizeBytes: number;
  config: ImageConfig | null;
};

export function describeImage(baseDigest: Digest, sizeBytes: number, config: ImageConfig | null): ImageManifest {
  return { digest: digestOf(baseDigest, config), baseDigest, sizeBytes, config };
}

/** One without a configuration is written as it always was, so that an earlier banger reads it. */
export async function writeManifest(folder: string, { digest, ...manifest }: ImageManifest): Promise<void> {
  const { baseDigest, sizeBytes, config } = manifest;
  const written = config === null ? { v: 1, digest, sizeBytes } : { v: 2, digest, baseDigest, sizeBytes, config };
  await writeFileDurably(join(folder, FILE), JSON.stringify(written));
}

/** Null for one that is not understood, of another digest than the folder's, or whose digest is not that of what it says. */
export function readManifest(folder: string): ImageManifest | null {
  try {
    const written = writtenSchema.parse(JSON.parse(readSmallFile(join(folder, FILE), MAX_BYTES)));
    const manifest =
      written.v === 1
        ? describeImage(written.digest, written.sizeBytes, null)
        : describeImage(written.baseDigest, written.sizeBytes, written.config);
    return manifest.digest === written.digest && hexOf(manifest.digest) === basename(folder) ? manifest : null;
  } catch {
    return null;
  }
}

function digestOf(baseDigest: Digest, config: ImageConfig | null): Digest {
  if (config === null) return baseDigest;
  const { env, user, workingDir, entrypoint, command, stopSignal } = config;
  const text = JSON.stringify([baseDigest, env, user, workingDir, entrypoint, command, stopSignal]);
  return digestBytes(text);
}
