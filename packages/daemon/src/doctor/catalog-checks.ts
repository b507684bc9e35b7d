/** The default image and kernel, here or within reach, and the agent that boots with them. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Check } from '@banger/contract/api/doctor.ts';
import { type Digest, hexOf } from '@banger/contract/digest.ts';
import { readImageCatalog } from '../images/catalog.ts';
import { readKernelCatalog } from '../kernels/catalog.ts';
import { findTool } from '../platform/find-tool.ts';
import type { Settings } from '../settings.ts';
import { fail, pass, warn } from './check.ts';
import type { State } from './read-state.ts';

type CatalogParts = { settings: Settings; state: State; hasTool?: (tool: string) => boolean };
type Kind = 'image' | 'kernel';

/** What makes each, and the Debian package that brings it */
const MAKERS: Record<Kind, Record<string, string>> = {
  image: { 'apt-get': 'apt', mmdebstrap: 'mmdebstrap', tar2sqfs: 'squashfs-tools-ng' },
  kernel: {
    'apt-get': 'apt',
    'dpkg-deb': 'dpkg',
    tar2sqfs: 'squashfs-tools-ng',
    depmod: 'kmod',
    lz4: 'lz4',
    xz: 'xz-utils',
  },
};

export async function checkCatalogs(parts: CatalogParts): Promise<Check[]> {
  const { agentPath, linkPath, catalogFolder } = parts.settings;
  const unbuilt = [agentPath, linkPath].find((path) => !existsSync(path));
  const image = readImageCatalog(join(catalogFolder, 'images.json')).find((entry) => entry.default);
  const kernel = readKernelCatalog(join(catalogFolder, 'kernels.json')).find((entry) => entry.default);
  return [
    await checkDefault(parts, 'image', image?.name ?? null),
    await checkDefault(parts, 'kernel', kernel?.name ?? null),
    unbuilt === undefined
      ? pass('agent build', 'the guest agent and banger-link are built')
      : fail('agent build', `${unbuilt} is not there`, 'make setup'),
  ];
}

async function checkDefault(parts: CatalogParts, kind: Kind, name: string | null): Promise<Check> {
  const { settings, state } = parts;
  if (name === null) return fail(kind, `the catalog names no default ${kind}`);
  if (state.records === null) return warn(kind, `whether "${name}" is here is in the state, which cannot be read`);
  const records: readonly { name: string; digest: Digest }[] = state.records[`${kind}s`];
  const record = records.find((known) => known.name === name);
  if (!record) return checkMakers(parts, kind, name);
  const folder = join(settings.paths.data, `${kind}s`, hexOf(record.digest));
  if (existsSync(join(folder, kind === 'image' ? 'base.squashfs' : 'vmlinux'))) return pass(kind, `"${name}" is here`);
  return fail(kind, `"${name}" is known, but its files are gone from ${folder}`, `banger ${kind} pull --force ${name}`);
}

/** It is only in the catalog: whether it can be made here. */
async function checkMakers(parts: CatalogParts, kind: Kind, name: string): Promise<Check> {
  const { settings, hasTool = (tool) => findTool(tool) !== null } = parts;
  const makers = { ...MAKERS[kind], ...(kind === 'image' && !settings.isRoot && { newuidmap: 'uidmap' }) };
  const missing = Object.entries(makers).filter(([tool]) => !hasTool(tool));
  const absent = `"${name}" is in the catalog and not here yet`;
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(([, debianPackage]) => debianPackage))].join(' ');
    const tools = missing.map(([tool]) => tool).join(', ');
    return fail(kind, `${absent}, and ${tools} to make it with is missing`, `sudo apt-get install ${packages}`);
  }
  if (!(await hasPackageLists())) {
    return fail(kind, `${absent}, and apt has no lists of the packages it is made from`, 'sudo apt-get update');
  }
  return pass(kind, `${absent}; the first vm fetches it, which takes a minute`);
}

async function hasPackageLists(folder = '/var/lib/apt/lists'): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  return names.some((name) => /_Packages(\.\w+)?$/.test(name));
}
