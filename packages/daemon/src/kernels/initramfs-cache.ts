/**
 * The initramfs of a kernel and the agent of the moment, made when it is first asked for and kept in the cache: it
 * depends on both, so its name carries both digests, and the layout's number.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { explainNoSpace } from '../platform/disk-full.ts';
import { listFolder, makePrivateFolder } from '../platform/files.ts';
import { isOwnFile } from '../platform/own-files.ts';
import { buildInitramfs, INITRAMFS_LAYOUT, type InitramfsModule } from './initramfs.ts';

/** A little more than an initramfs takes */
const NEEDED_BYTES = 8 * 2 ** 20;

type InitramfsParts = { cacheFolder: string; agentPath: string };
type KernelModules = { digest: Digest; modulesFolder: string; order: string[]; vsock: string[] };

export function createInitramfsCache({ cacheFolder, agentPath }: InitramfsParts) {
  const folder = join(cacheFolder, 'initramfs');
  const underWay = new Map<string, Promise<string>>();
  let agent: { stamp: string; digest: string } | null = null;
  return { get, sweep };

  /** The path of the initramfs; whoever asks at the same time waits for the same one. */
  async function get(kernel: KernelModules): Promise<string> {
    const path = join(folder, fileName(kernel.digest, await agentDigest()));
    if (isOwnFile(path)) return path;
    const making = underWay.get(path) ?? make(path, kernel).finally(() => underWay.delete(path));
    underWay.set(path, making);
    return making;
  }

  /** Removes those of other agents and of kernels that are gone. Only safe while no machine is being launched. */
  async function sweep(kernelDigests: Digest[]): Promise<void> {
    const digest = existsSync(agentPath) ? await agentDigest() : '';
    const kept = kernelDigests.map((kernel) => fileName(kernel, digest));
    for (const name of await listFolder(folder))
      if (!kept.includes(name)) await rm(join(folder, name), { force: true });
  }

  async function make(path: string, { modulesFolder, order, vsock }: KernelModules): Promise<string> {
    await makePrivateFolder(folder);
    const read = async (fileName: string): Promise<InitramfsModule> => {
      return { fileName, content: await readFile(join(modulesFolder, fileName)) };
    };
    const partial = `${path}.${randomBytes(4).toString('hex')}`;
    try {
      const [modules, vsockModules] = [await Promise.all(order.map(read)), await Promise.all(vsock.map(read))];
      const archive = buildInitramfs({ agent: await readAgent(), modules, vsockModules });
      await writeFile(partial, archive, { mode: 0o444, flush: true });
      await rename(partial, path);
      return path;
    } catch (fault) {
      await rm(partial, { force: true });
      throw await explainNoSpace(fault, folder, NEEDED_BYTES);
    }
  }

  /** Read again only when the file has changed. */
  async function agentDigest(): Promise<string> {
    const { mtimeMs, size, ino } = await stat(agentPath).catch(agentMissing);
    const stamp = `${mtimeMs} ${size} ${ino}`;
    if (agent?.stamp !== stamp) {
      agent = {
        stamp,
        digest: createHash('sha256')
          .update(await readAgent())
          .digest('hex'),
      };
    }
    return agent.digest;
  }

  function readAgent(): Promise<Buffer> {
    return readFile(agentPath).catch(agentMissing);
  }

  function agentMissing(cause: Error): never {
    throw new BangerError('FILE_NOT_FOUND', {
      message: `The guest agent ${agentPath} cannot be read: ${cause.message}.`,
      hint: 'Run "make setup" in the checkout: it builds the agent.',
      cause,
    });
  }
}

function fileName(kernelDigest: Digest, agentDigest: string): string {
  return `${hexOf(kernelDigest)}-${agentDigest}-${INITRAMFS_LAYOUT}.cpio`;
}
