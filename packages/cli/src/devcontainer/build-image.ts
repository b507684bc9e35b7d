/**
 * The image of a repository's own Dockerfile. It has one name for good, and is built again only when what it is made of has
 * changed. Of the repository only that travels to the build which would travel into a machine.
 */
import { createHash } from 'node:crypto';
import type { Digest } from '@banger/contract/digest.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { isCatalogName } from '@banger/contract/names.ts';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import type { IgnoreRules } from '../build/ignore-rules.ts';
import { type BuildContext, packContext, readContext } from '../build/pack-context.ts';
import type { Cli } from '../cli.ts';
import { dirname, resolve } from '../exact-path.ts';
import { watchOperation } from '../watch-operation.ts';
import type { DevcontainerImage } from './plan-devcontainer.ts';
import { quoted } from './read-document.ts';
import { findInside, readInside } from './read-inside.ts';

type Built = Extract<DevcontainerImage, { is: 'built' }>;

type BuildParts = {
  /** Of the repository, as a real path */
  top: string;
  /** The file that says what is built; paths are relative to its folder */
  path: string;
  build: Built;
  /** What travels of the repository, by its paths below the top */
  entries: readonly string[];
  name: string;
  /** Although nothing here has changed: what it starts from may have */
  isAnew: boolean;
};

/** Gives the name. Throws REPO_UNTRUSTED, DEVCONTAINER_INVALID and IMAGE_BUILD_FAILED. */
export async function buildImage(cli: Cli, { name, isAnew, ...parts }: BuildParts): Promise<string> {
  const { target, args } = parts.build;
  const context = await openContext(parts);
  const pack = () => packContext(context, { files: 0, bytes: 0, skipped: 0 });
  const from = await describe(pack(), { target, args });
  if (!isAnew && (await cli.client.imageBuilt({ image: name, from })).isBuilt) {
    cli.note(`image: ${name}, built before`);
    return name;
  }
  const query = { target, pullAlways: isAnew, args: args.join('\0'), from };
  await watchOperation(cli, cli.client.imageBuild({ image: name, tar: pack(), ...query }));
  return name;
}

/** `id` tells repositories of one name apart. */
export function nameImage(repository: string, id: string): string {
  const plain = repository
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60)
    .replace(/^-+|-+$/g, '');
  const name = `${plain === '' ? 'repository' : plain}-devcontainer-${id.slice(0, 8)}`;
  if (!isCatalogName(name)) throw new Error(`${name} is no name of an image`);
  return name;
}

async function openContext({ top, path, build, entries }: Omit<BuildParts, 'name' | 'isAnew'>): Promise<BuildContext> {
  const base = dirname(path);
  const folder = await findInside(top, resolve(base, build.context));
  if (folder === null) throw missing(`its context ${quoted(build.context)}`);
  const dockerfile = resolve(base, build.dockerfile);
  if ((await readInside(top, dockerfile)) === null) throw missing(`its Dockerfile ${quoted(build.dockerfile)}`);
  const context = await readContext(folder, dockerfile, (file) => readInside(top, file));
  return { ...context, rules: onlyOf(context.rules, below(entries, folder.slice(top.length + 1))) };
}

/** Each of them and the folders around it, as paths in the context. */
function below(entries: readonly string[], folder: string): ReadonlySet<string> {
  const start = folder === '' ? '' : `${folder}/`;
  const names = new Set<string>();
  for (const entry of entries) {
    if (!entry.startsWith(start)) continue;
    const name = entry.slice(start.length);
    for (let end = name.length; end > 0; end = name.lastIndexOf('/', end - 1)) {
      const each = name.slice(0, end);
      if (names.has(each)) break;
      names.add(each);
    }
  }
  return names;
}

function onlyOf(rules: IgnoreRules, names: ReadonlySet<string>): IgnoreRules {
  return {
    leavesOut: (path) => !names.has(path) || rules.leavesOut(path),
    mayKeepBelow: (folder) => names.has(folder) && rules.mayKeepBelow(folder),
  };
}

/** Without the times, which a checkout changes. */
async function describe(tar: AsyncIterable<Uint8Array>, options: object): Promise<Digest> {
  const hash = createHash('sha256').update(JSON.stringify(options));
  for await (const { name, type, mode, target, sizeBytes, body } of readTar(tar)) {
    hash.update(`\0${JSON.stringify({ name, type, mode, target, sizeBytes })}\0`);
    for await (const { at, bytes } of body()) hash.update(`${at} ${bytes.length}\0`).update(bytes);
  }
  return `sha256:${hash.digest('hex')}` as Digest;
}

function missing(what: string): BangerError {
  return new BangerError('DEVCONTAINER_INVALID', {
    message: `The repository does not have what is built: ${what}.`,
    hint: 'In a devcontainer.json, paths are relative to the folder that it is in.',
  });
}
