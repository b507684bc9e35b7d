/**
 * Debian's kernel package through the host's own apt, as an ordinary user: apt knows the mirrors and checks the
 * signatures, `apt-get download` needs no root, and nothing is installed on the host.
 */
import { rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hexOf } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { runConfined } from '../platform/confine.ts';
import { noSpaceLeft } from '../platform/disk-full.ts';
import { digestFile, isNoSpace, listFolder, makePrivateFolder, removeTree } from '../platform/files.ts';
import { ProcessFailure, runProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';

export type KernelPackage = { name: string; version: string };
type FetchParts = {
  packageName: string;
  cacheFolder: string;
  target: string;
  proxies: Readonly<Record<string, string>>;
};

type PackageFile = { fileName: string; sha256: string | null };

/** Unpacks the newest kernel that `packageName` stands for into `target`, which must exist. */
export async function fetchKernel(
  task: Task,
  { packageName, cacheFolder, target, proxies }: FetchParts,
): Promise<KernelPackage> {
  task.step(`look for ${packageName} with apt`);
  try {
    const kernel = parseDependency(await showPackage(task, packageName));
    if (!kernel) throw noPackage(packageName);
    const path = await download(task, kernel, { cacheFolder, proxies });
    task.step(`unpack ${kernel.name}`);
    await runConfined(task, ['dpkg-deb', '--extract', path, target], { readable: [path], writable: [target] });
    return kernel;
  } catch (fault) {
    if (!(fault instanceof ProcessFailure)) throw fault;
    throw isNoSpace(fault.stderr) ? noSpaceLeft(fault) : fetchFailed(packageName, fault);
  }
}

async function showPackage(task: Task, packageName: string): Promise<string> {
  const argv = ['apt-cache', 'show', '--no-all-versions', packageName];
  const { code, stdout } = await runProcess(task, argv, { acceptCodes: [100] });
  if (code !== 0) throw noPackage(packageName);
  return stdout;
}

/** The package that holds the kernel: what a meta-package depends on, or the package itself. */
export function parseDependency(shown: string): KernelPackage | null {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(shown)?.[1]?.trim();
  const onImage = /(?:^|, )(linux-image-[\w.+~-]+) \(= ([^)\s]+)\)/.exec(field('Depends') ?? '');
  if (onImage) return { name: onImage[1] as string, version: onImage[2] as string };
  const name = field('Package');
  const version = field('Version');
  return name?.startsWith('linux-image-') && version ? { name, version } : null;
}

type DownloadParts = Pick<FetchParts, 'cacheFolder' | 'proxies'>;

async function download(task: Task, kernel: KernelPackage, { cacheFolder, proxies }: DownloadParts): Promise<string> {
  const argument = `${kernel.name}=${kernel.version}`;
  const { stdout } = await runProcess(task, ['apt-get', 'download', '--print-uris', argument]);
  const file = parseUri(stdout);
  const folder = join(cacheFolder, 'packages');
  await makePrivateFolder(folder);
  if (file && (await isCached(task, folder, file))) return join(folder, file.fileName);

  task.step(`download ${kernel.name}`);
  const fresh = join(folder, `download-${process.pid}-${Date.now()}`);
  try {
    await makePrivateFolder(fresh);
    await runProcess(task, ['apt-get', 'download', argument], { cwd: fresh, env: proxies });
    const [fileName] = (await listFolder(fresh)).filter((name) => name.endsWith('.deb'));
    if (!fileName) throw fetchFailed(kernel.name, new Error('apt-get left no package behind'));
    await rename(join(fresh, fileName), join(folder, fileName));
    return join(folder, fileName);
  } finally {
    await removeTree(fresh);
  }
}

/** A line of --print-uris: 'http://…/x.deb' x.deb 26713492 SHA256:e7d0… */
export function parseUri(printed: string): PackageFile | null {
  const match = /^'[^']*' (\S+\.deb) \d+(?: (\S+))?$/m.exec(printed.trim());
  if (!match) return null;
  const sha256 = /^SHA256:([0-9a-f]{64})$/.exec(match[2] ?? '')?.[1] ?? null;
  return { fileName: basename(match[1] as string), sha256 };
}

async function isCached(task: Task, folder: string, { fileName, sha256 }: PackageFile): Promise<boolean> {
  if (sha256 === null || !(await listFolder(folder)).includes(fileName)) return false;
  return hexOf(await digestFile(task, join(folder, fileName))) === sha256;
}

function noPackage(packageName: string): BangerError {
  return new BangerError('KERNEL_FETCH_FAILED', {
    message: `apt knows no package ${packageName}.`,
    hint: 'Run "sudo apt-get update" and try again; banger\'s default kernel comes from Debian 12 or newer on amd64.',
    details: { package: packageName },
  });
}

function fetchFailed(packageName: string, cause: Error): BangerError {
  const detail =
    cause instanceof ProcessFailure ? (cause.stderr.match(/^E: (.*)$/m)?.[1] ?? cause.message) : cause.message;
  return new BangerError('KERNEL_FETCH_FAILED', {
    message: `apt could not fetch ${packageName}: ${detail.replace(/\.$/, '')}.`,
    hint: 'Check the network. When apt says that a file is not there, "sudo apt-get update" brings its lists up to date.',
    details: { package: packageName },
    cause,
  });
}
