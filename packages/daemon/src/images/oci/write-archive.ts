/**
 * An image as an OCI archive: a layout of one image with one layer, as a tar, which skopeo and podman read. The layer is
 * the image's own files, packed into a file of the work folder first: its digest stands before it in the tar.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { tarEnd, tarPadding } from '@banger/contract/tar/tar-block.ts';
import { writeTarHead } from '@banger/contract/tar/tar-head.ts';
import { runConfined } from '../../platform/confine.ts';
import { ProcessFailure } from '../../platform/run-process.ts';
import type { Task } from '../../platform/task.ts';
import { together } from '../../platform/together.ts';
import { leaveRoom } from '../leave-room.ts';
import { MAX_TAR_BYTES } from '../unpack-tar.ts';

const LIMITS = { cpuSeconds: 3600, memoryBytes: 8 * 2 ** 30, outputBytes: MAX_TAR_BYTES };
/** Half the time of zlib's own choice, for a twentieth more bytes */
const GZIP = { level: 3, chunkSize: 256 * 1024 };

const TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};

type Exported = {
  /** Path of its squashfs */
  base: string;
  config: ImageConfig | null;
  name: string;
  /** For the layer; it has to stay until the archive was read */
  workFolder: string;
};

/** The same image gives the same archive. Throws DISK_FULL, TOOL_MISSING, CANCELLED. */
export async function writeArchive(task: Task, { base, config, name, workFolder }: Exported) {
  const path = join(workFolder, 'layer');
  const { digest, diffId } = await packLayer(task, base, path);
  const layer = { mediaType: TYPES.layer, digest, size: (await stat(path)).size };
  const document = blobOf(TYPES.config, configOf(config, diffId));
  const manifest = blobOf(TYPES.manifest, {
    ...{ schemaVersion: 2, mediaType: TYPES.manifest, config: document.descriptor, layers: [layer] },
  });
  const named = { ...manifest.descriptor, annotations: { 'org.opencontainers.image.ref.name': name } };
  return entries();

  async function* entries(): AsyncGenerator<Uint8Array, void> {
    yield* fileOf('oci-layout', jsonOf({ imageLayoutVersion: '1.0.0' }));
    yield* fileOf('index.json', jsonOf({ schemaVersion: 2, manifests: [named] }));
    for (const folder of ['blobs', 'blobs/sha256']) {
      yield writeTarHead({ name: folder, type: 'directory', mode: 0o755, mtimeNs: 0n });
    }
    for (const { descriptor, content } of [manifest, document]) yield* fileOf(blobPath(descriptor.digest), content);
    yield headOf(blobPath(digest), layer.size);
    yield* createReadStream(path, { highWaterMark: GZIP.chunkSize });
    yield tarPadding(layer.size);
    yield tarEnd();
  }
}

/** Packs what is in the squashfs, behind walls, and tells the digests of the tar and of what it became. */
async function packLayer(task: Task, base: string, path: string): Promise<{ digest: Digest; diffId: Digest }> {
  const tar = new PassThrough();
  const [plain, packed] = [createHash('sha256'), createHash('sha256')];
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
  await together(task, [
    (own) => readBase(own, base, tar),
    (own) =>
      pipeline(leaveRoom(tar, join(path, '..')), added(plain), createGzip(GZIP), added(packed), file, {
        signal: own.signal,
      }),
  ]);
  return { digest: digestOf(packed), diffId: digestOf(plain) };
}

async function readBase(task: Task, base: string, tar: Writable): Promise<void> {
  try {
    await runConfined(task, ['sqfs2tar', base], { readable: [base], limits: LIMITS }, { stdout: tar });
  } catch (fault) {
    if (!(fault instanceof ProcessFailure)) throw fault;
    throw new BangerError('IMAGE_DAMAGED', {
      message: `The base of the image cannot be read: ${cleanQuote(fault.stderr) || fault.message}.`,
      hint: 'Was it changed by hand? Make or import the image again.',
      cause: fault,
    });
  }
}

function added(hash: Hash) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  };
}

function configOf(config: ImageConfig | null, diffId: Digest): object {
  return {
    ...{ architecture: 'amd64', os: 'linux' },
    config: config && {
      ...{ Env: config.env, User: config.user ?? '', WorkingDir: config.workingDir ?? '' },
      ...{ Entrypoint: config.entrypoint, Cmd: config.command },
      ...(config.stopSignal !== null && { StopSignal: config.stopSignal }),
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
  };
}

function blobOf(mediaType: string, value: object) {
  const content = jsonOf(value);
  const digest = digestOf(createHash('sha256').update(content));
  return { content, descriptor: { mediaType, digest, size: content.length } };
}

function* fileOf(name: string, content: Buffer): Generator<Uint8Array, void> {
  yield headOf(name, content.length);
  yield content;
  yield tarPadding(content.length);
}

function headOf(name: string, sizeBytes: number): Uint8Array {
  return writeTarHead({ name, type: 'file', mode: 0o644, mtimeNs: 0n, sizeBytes });
}

function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

function jsonOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digestOf(hash: Hash): Digest {
  return `sha256:${hash.digest('hex')}` as Digest;
}
