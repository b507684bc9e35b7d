/**
 * What was fetched of images, each blob under its digest: layers that images share are fetched once, and a pull that was
 * broken off goes on with those that were whole. `<cache>/oci/blobs/sha256/<hex>` is all that lasts; below `pulls` each
 * pull has a folder of its own while it goes on, where what is not whole yet lies.
 *
 * It is bounded: what was not needed for longest goes first, and nothing that was
 * made or needed since the oldest pull of now began. All of it can be fetched again,
 * so nobody asks before it goes, and a file that is not what its name says is found by whoever reads it.
 */
import { randomBytes } from 'node:crypto';
import { lstat, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOfHex, hexOf } from '@banger/contract/digest.ts';
import { diskFull } from '../../platform/disk-full.ts';
import { freeBytes, listFolder, makePrivateFolder, removeTree } from '../../platform/files.ts';
import type { Blob } from './manifest.ts';

const LIMITS = {
  /** Of all that is kept; an image that is larger stays until the next is pulled */
  totalBytes: 10 * 2 ** 30,
  /** Stays free on the disk */
  leftBytes: 256 * 2 ** 20,
};

export type LayerCache = ReturnType<typeof createLayerCache>;
export type PullFolder = Awaited<ReturnType<LayerCache['begin']>>;

export function createLayerCache(folder: string, { totalBytes, leftBytes } = LIMITS) {
  const blobs = join(folder, 'blobs');
  const pulls = join(folder, 'pulls');
  /** When each began, by the name of its folder */
  const ownPulls = new Map<string, number>();
  return { begin, sweep };

  /** A folder for one pull, which is gone when it is disposed of; until then all of `wanted` stays that is here or comes. */
  async function begin(wanted: readonly Blob[]) {
    const name = randomBytes(6).toString('hex');
    const own = join(pulls, name);
    const hexes = wanted.map(({ digest }) => hexOf(digest));
    ownPulls.set(name, Date.now());
    const end = async () => {
      await removeTree(own);
      ownPulls.delete(name);
      await trim(totalBytes);
    };
    try {
      for (const path of [join(blobs, 'sha256'), join(own, 'layout')]) await makePrivateFolder(path);
      await touch(hexes);
    } catch (fault) {
      await end();
      throw fault;
    }
    return {
      blobs,
      /** skopeo makes it a layout, and keeps here what is not whole yet */
      layout: join(own, 'layout'),
      /** What it keeps for itself */
      scratch: own,
      missing: () => findMissing(wanted),
      /** For what is missing. Throws DISK_FULL. */
      makeRoom: () => makeRoom(wanted),
      /** Of those that were missing, what is whole by now, and with what is on its way */
      measure: (missing: readonly Blob[]) => measure(missing, join(own, 'layout')),
      /** What turned out not to be what its name says is not to be found by the next pull. */
      distrust: async () => {
        for (const hex of hexes) await rm(blobPath(hex), { force: true });
      },
      [Symbol.asyncDispose]: end,
    };
  }

  /** Removes what daemons that were killed left; blobs only as far as there are too many. */
  async function sweep(): Promise<void> {
    for (const name of await listFolder(pulls)) if (!ownPulls.has(name)) await removeTree(join(pulls, name));
    await trim(totalBytes);
  }

  /** Marks those that are here as needed now. */
  async function touch(hexes: readonly string[]): Promise<void> {
    const now = new Date();
    for (const hex of hexes) await utimes(blobPath(hex), now, now).catch(() => {}); // it is not here
  }

  function blobPath(hex: string): string {
    return join(blobs, 'sha256', hex);
  }

  /** One of another size was cut off, or is not what it should be. */
  async function findMissing(wanted: readonly Blob[]): Promise<Blob[]> {
    const missing: Blob[] = [];
    for (const blob of wanted) {
      const path = blobPath(hexOf(blob.digest));
      const size = await sizeOf(path);
      if (size === blob.sizeBytes) continue;
      if (size !== null) await removeTree(path); // skopeo would take it as it is
      missing.push(blob);
    }
    return missing;
  }

  async function makeRoom(wanted: readonly Blob[]): Promise<void> {
    const neededBytes = (await findMissing(wanted)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    await trim(Math.max(0, totalBytes - neededBytes));
    if ((await freeBytes(folder)) < neededBytes + leftBytes) await trim(0);
    const free = await freeBytes(folder);
    if (free < neededBytes + leftBytes) throw diskFull(folder, neededBytes + leftBytes, free);
  }

  /** Removes the oldest first, until no more than that is left. */
  async function trim(maxBytes: number): Promise<void> {
    const found = await list();
    const begunMs = Math.min(...ownPulls.values());
    let bytes = found.reduce((sum, each) => sum + each.bytes, 0);
    for (const { path, bytes: own, usedMs } of found) {
      // A registry's manifest and configuration become others in a layout, so nobody knows beforehand all that it takes.
      if (bytes <= maxBytes || usedMs >= begunMs) return;
      await removeTree(path);
      bytes -= own;
    }
  }

  async function list() {
    const found: { path: string; bytes: number; usedMs: number }[] = [];
    for (const hex of await listFolder(join(blobs, 'sha256'))) {
      const path = blobPath(hex);
      if (digestOfHex(hex) === null) await removeTree(path); // nobody of ours made it
      const stats = await lstat(path).catch(() => null);
      if (stats) found.push({ path, bytes: stats.blocks * 512, usedMs: stats.mtimeMs });
    }
    return found.sort((one, other) => one.usedMs - other.usedMs);
  }

  async function measure(missing: readonly Blob[], layout: string): Promise<{ bytes: number; whole: number }> {
    const coming = (await listFolder(layout)).filter((name) => name.startsWith('oci-put-blob'));
    let [bytes, whole] = [0, 0];
    for (const name of coming) bytes += (await sizeOf(join(layout, name))) ?? 0;
    for (const { digest, sizeBytes } of missing) {
      if ((await sizeOf(blobPath(hexOf(digest)))) !== sizeBytes) continue;
      bytes += sizeBytes;
      whole += 1;
    }
    return { bytes, whole };
  }
}

async function sizeOf(path: string): Promise<number | null> {
  const found = await lstat(path).catch(() => null);
  return found && (found.isFile() ? found.size : -1);
}
