/** From a kernel file and its modules to a folder with everything that a machine boots from. */
import { createHash } from 'node:crypto';
import { cp, lstat, mkdir, readdir, realpath, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Digest } from '@banger/contract/digest.ts';
import type { BangerError } from '@banger/contract/errors.ts';
import { z } from 'zod';
import { runConfined } from '../platform/confine.ts';
import { digestFile, makePrivateFolder, removeTree, writeFileDurably } from '../platform/files.ts';
import { readRegularFile } from '../platform/regular-file.ts';
import type { Task } from '../platform/task.ts';
import { extractVmlinux } from './extract-vmlinux.ts';
import { inspectVmlinux, type Vmlinux } from './inspect-vmlinux.ts';
import { kernelInvalid } from './kernel-invalid.ts';
import { plainFileName, planModules } from './modules.ts';
import { writeModulesImage } from './modules-image.ts';
import { unpackModule } from './unpack-module.ts';

export const VMLINUX = 'vmlinux';
export const MODULES_IMAGE = 'modules.squashfs';
export const EARLY_MODULES = 'initramfs-modules';

/** Of modules.dep and modules.builtin: a kernel with everything as a module has half a megabyte */
const MAX_INDEX_BYTES = 16 * 2 ** 20;

export const kernelManifestSchema = z.object({
  v: z.literal(1),
  release: z.string(),
  hasModules: z.boolean(),
  /** File names below initramfs-modules, in load order */
  order: z.array(z.string()),
  /** Those for a vsock; not there when the kernel has none, or was installed by a banger that did not look for it */
  vsock: z.array(z.string()).optional(),
});

export type KernelManifest = z.infer<typeof kernelManifestSchema>;
export type InstalledKernel = { digest: Digest; release: string; sizeBytes: number };

export type KernelFiles = {
  kernelPath: string;
  /** `lib/modules/<release>` wherever it is, or none when everything is built in */
  modulesPath: string | null;
};

/** Fills `staged` with vmlinux, modules and manifest. Throws KERNEL_INVALID for what could not boot a vm. */
export async function installKernel(
  task: Task,
  { kernelPath, modulesPath }: KernelFiles,
  staged: string,
): Promise<InstalledKernel> {
  task.step('extract the kernel');
  const vmlinux = join(staged, VMLINUX);
  await extractVmlinux(task, kernelPath, vmlinux);
  const inside = await inspectVmlinux(task, vmlinux);
  const { release } = inside;
  const early = modulesPath ? await installModules(task, modulesPath, release, staged) : checkBuiltIn(task, inside);

  const manifest: KernelManifest = { v: 1, release, hasModules: modulesPath !== null, ...early };
  const files = kernelFiles(manifest).map((name) => join(staged, name));
  const digest = await digestOfKernel(task, manifest, staged);
  await writeFileDurably(join(staged, 'manifest.json'), JSON.stringify(manifest));
  const sizes = await Promise.all(files.map(async (path) => (await stat(path)).size));
  return { digest, release, sizeBytes: sizes.reduce((sum, size) => sum + size, 0) };
}

type EarlyModules = Pick<KernelManifest, 'order' | 'vsock'>;

async function installModules(task: Task, modulesPath: string, release: string, staged: string): Promise<EarlyModules> {
  task.step('choose the modules');
  const work = join(staged, 'work');
  const folder = await copyModules(task, modulesPath, release, work);
  const { order, vsock, missing } = planModules({
    dep: await readIndex(join(folder, 'modules.dep')),
    builtin: await readIndex(join(folder, 'modules.builtin')),
  });
  if (missing.length > 0) throw lacking(missing, `${basename(modulesPath)} has it neither as a module nor built in`);
  const early = join(staged, EARLY_MODULES);
  await makePrivateFolder(early);
  for (const path of [...order, ...(vsock ?? [])]) {
    await writeFile(join(early, plainFileName(path)), await unpackModule(task, join(folder, path)), { mode: 0o444 });
  }
  task.step('make the modules image');
  await writeModulesImage(task, folder, join(staged, MODULES_IMAGE));
  await removeTree(work);
  return { order: order.map(plainFileName), ...(vsock && { vsock: vsock.map(plainFileName) }) };
}

/** A copy whose index files (modules.dep and the others) are of this very kernel. */
async function copyModules(task: Task, modulesPath: string, release: string, work: string): Promise<string> {
  const source = await realpath(await findModules(modulesPath, release));
  const folder = join(work, 'lib', 'modules', release);
  await mkdir(folder, { recursive: true });
  await symlink('.', join(work, 'usr')); // newer kmod looks below usr/lib
  // Links are left out: they lead to the headers that the kernel was built with, or to nothing that is here.
  const isNoLink = async (path: string) => !(await lstat(path)).isSymbolicLink();
  await cp(source, folder, { recursive: true, filter: isNoLink }).catch((fault: NodeJS.ErrnoException) => {
    if (!fault.code?.startsWith('ERR_FS_CP_')) throw fault;
    throw kernelInvalid(`${source} holds something that is neither a file nor a folder`, fault);
  });
  // Debian's packages have no index files: those are made when a package is installed.
  await runConfined(task, ['depmod', '--basedir', work, release], { writable: [work] });
  return folder;
}

/** The folder itself, or lib/modules/<release> below it. */
async function findModules(modulesPath: string, release: string): Promise<string> {
  const places = ['', `lib/modules/${release}`, `usr/lib/modules/${release}`, release].map((p) => join(modulesPath, p));
  for (const place of places) {
    if ((await namesIn(place)).includes('kernel') && basename(place) === release) return place;
  }
  throw kernelInvalid(
    `${modulesPath} does not hold the modules of this kernel, which is ${release}`,
    undefined,
    `Give the folder ${release}, or one with lib/modules/${release} in it. Modules have to match their kernel to the letter.`,
  );
}

function checkBuiltIn(task: Task, { notBuiltIn, hasVsock }: Vmlinux): EarlyModules {
  if (notBuiltIn.length > 0) throw lacking(notBuiltIn, 'it is not built in, and no modules folder was given');
  task.note('No modules folder was given, so the vm has only what is built into this kernel.');
  return { order: [], ...(hasVsock && { vsock: [] }) };
}

function lacking(names: string[], why: string) {
  return kernelInvalid(
    `The kernel cannot boot a vm: it lacks ${names.join(', ')} (${why})`,
    undefined,
    'Give its modules folder too (/lib/modules/<release>), or use the catalog\'s: "banger kernel pull debian".',
  );
}

/** The large ones, by which a kernel has its digest and its size. */
export function kernelFiles({ hasModules }: KernelManifest): string[] {
  return [VMLINUX, ...(hasModules ? [MODULES_IMAGE] : [])];
}

export async function digestOfKernel(task: Task, manifest: KernelManifest, folder: string): Promise<Digest> {
  const hash = createHash('sha256').update(JSON.stringify(manifest));
  for (const name of kernelFiles(manifest)) hash.update(await digestFile(task, join(folder, name)));
  return `sha256:${hash.digest('hex')}` as Digest;
}

/** Empty when it is not there. */
async function readIndex(path: string): Promise<string> {
  return readRegularFile(path, MAX_INDEX_BYTES, kernelInvalid).then(
    (content) => content.toString('utf8'),
    (fault: BangerError) => {
      if (fault.code === 'FILE_NOT_FOUND') return '';
      throw fault;
    },
  );
}

async function namesIn(path: string): Promise<string[]> {
  return readdir(path).catch(() => []);
}
