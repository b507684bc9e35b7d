/** An image that says how it is run, made of one that is here: its folder as banger writes it, which a recovery then finds. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import { hexOf } from '@banger/contract/digest.ts';
import { writeNames } from '../../packages/daemon/src/bases/names-file.ts';
import { describeImage, readManifest, writeManifest } from '../../packages/daemon/src/images/image-manifest.ts';
import type { Home } from './banger-home.ts';

const BASE = 'base.squashfs';

/** Stops the daemon; the name goes to the newest that has it. Answers the digest. */
export async function configureImage(home: Home, from: string, name: string, config: ImageConfig): Promise<string> {
  const { digest: source } = await home.json<{ digest: string }>(['image', 'show', from]);
  await home.run(['daemon', 'stop']);
  const folder = join(home.paths.data, 'images');
  const sourceFolder = join(folder, source.slice('sha256:'.length));
  const { baseDigest, sizeBytes } = readManifest(sourceFolder) ?? assertFound(sourceFolder);
  const manifest = describeImage(baseDigest, sizeBytes, config);
  const made = join(folder, hexOf(manifest.digest));
  await mkdir(made);
  await copyFile(join(sourceFolder, BASE), join(made, BASE));
  await writeManifest(made, manifest);
  await writeNames(made, [{ name, source: 'import', createdAt: new Date().toISOString() }]);
  await home.json(['system', 'recover']);
  return manifest.digest;
}

function assertFound(path: string): never {
  throw new Error(`${path} says nothing of an image`);
}
