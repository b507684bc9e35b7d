/** OCI layouts for the tests, of any layers. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';

const PACKERS = { tar: (tar: Buffer) => tar, 'tar+gzip': gzipSync, 'tar+zstd': zstdCompressSync };

export type SampleLayer = { tar: Buffer; packed?: keyof typeof PACKERS };

export type SampleImage = {
  layers: readonly (SampleLayer | Buffer)[];
  /** Names in the index; one image has several where it is named so */
  names?: readonly string[];
  os?: string;
  architecture?: string;
  /** What it says of running it */
  config?: object;
};

export type SampleDescriptor = { mediaType: string; digest: string; size: number; [more: string]: unknown };

/** Writes a layout whose index names these images, or what `index` makes of them. */
export function writeLayout(
  folder: string,
  images: readonly SampleImage[],
  index: (manifests: SampleDescriptor[]) => unknown[] = (manifests) => manifests,
): void {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const manifests = index(images.flatMap((image) => writeImage(folder, image)));
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

function writeImage(folder: string, image: SampleImage): SampleDescriptor[] {
  const { names = ['latest'], os = 'linux', architecture = 'amd64', config = {} } = image;
  const layers = image.layers.map((layer) => (Buffer.isBuffer(layer) ? { tar: layer } : layer));
  const diffIds = layers.map(({ tar }) => digestOf(tar));
  const document = { os, architecture, config, rootfs: { type: 'layers', diff_ids: diffIds } };
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: writeJson(folder, 'application/vnd.oci.image.config.v1+json', document),
    layers: layers.map(({ tar, packed = 'tar+gzip' }) =>
      writeBlob(folder, `application/vnd.oci.image.layer.v1.${packed}`, PACKERS[packed](tar)),
    ),
  };
  const descriptor = writeJson(folder, manifest.mediaType, manifest);
  return names.map((name) => ({ ...descriptor, annotations: { 'org.opencontainers.image.ref.name': name } }));
}

export function writeJson(folder: string, mediaType: string, value: unknown): SampleDescriptor {
  return writeBlob(folder, mediaType, Buffer.from(JSON.stringify(value)));
}

export function writeBlob(folder: string, mediaType: string, content: Buffer): SampleDescriptor {
  const digest = digestOf(content);
  writeFileSync(join(folder, 'blobs/sha256', digest.slice(7)), content);
  return { mediaType, digest, size: content.length };
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
