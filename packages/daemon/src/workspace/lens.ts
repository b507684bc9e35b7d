/**
 * A lens: a repository of banger's own that sees the owner's objects and never writes to them.
 *
 * git reads the config of the repository that it works in, and filters, diff drivers and fsmonitor are programs that a
 * config names. In a lens the config is banger's. Of the owner's it takes over what says how files are compared.
 */
import { constants } from 'node:fs';
import { copyFile, mkdir, open, readFile, realpath, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listFolder, makePrivateFolder } from '../platform/files.ts';
import type { Repository } from './find-repository.ts';
import type { GitPlace } from './git.ts';

/** Of patterns; git itself reads no attributes of more than 100 MB */
const MAX_PATTERN_BYTES = 4 * 1024 * 1024;
/** An archive holds every file, whatever the attributes say; the last line decides */
const ALL_IN_ARCHIVES = '* -export-ignore -export-subst\n';

/** In a lens: of the system and the owner, and of the repository's info folder. Empty when there are none. */
export const GLOBAL_ATTRIBUTES = 'attributes';
export const OWN_ATTRIBUTES = 'own-attributes';

export async function makeLens(repository: Repository, folder: string): Promise<GitPlace> {
  const { path, gitDir, commonDir, isBare, objectFormat, settings } = repository;
  await makeBareRepository(folder, objectFormat, [join(commonDir, 'objects')]);
  await mkdir(join(folder, 'info'), { recursive: true });
  await copyIfThere(join(commonDir, 'shallow'), join(folder, 'shallow'));
  const read = (name: string) => readPatterns(join(commonDir, 'info', name), path);
  const ignored = [...(await readAllPatterns(settings.ignoreFiles, path)), await read('exclude')];
  const write = (name: string, patterns: string[]) => writeFile(join(folder, name), patterns.join(''), 'latin1');
  await write('info/exclude', ignored);
  const ownAttributes = await read('attributes');
  await write('info/attributes', [ownAttributes, ALL_IN_ARCHIVES]);
  await write(OWN_ATTRIBUTES, [ownAttributes]);
  await write(GLOBAL_ATTRIBUTES, await readAllPatterns(settings.attributeFiles, path));
  if (!isBare) await copyIndex(gitDir, folder);
  return placeOfLens(repository, folder);
}

/** Where git asks a lens that lies in this folder. */
export function placeOfLens({ path, commonDir, isBare, settings }: Repository, folder: string): GitPlace {
  const place = { gitDir: folder, readable: [commonDir], writable: [folder] };
  if (isBare) return place;
  const config = {
    'core.bare': 'false',
    'core.attributesFile': join(folder, GLOBAL_ATTRIBUTES),
    ...settings.switches,
  };
  return { ...place, workTree: path, config };
}

/** An empty repository that sees the objects of others: the few files that git asks for, without a program for them. */
export async function makeBareRepository(folder: string, objectFormat: string, objects: string[]): Promise<void> {
  await makePrivateFolder(folder);
  for (const name of ['objects/info', 'objects/pack', 'refs/heads']) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await writeFile(join(folder, 'HEAD'), 'ref: refs/heads/main\n');
  await writeFile(join(folder, 'config'), objectFormat === 'sha1' ? CONFIG : configWithFormat(objectFormat));
  await writeFile(join(folder, 'objects/info/alternates'), objects.map((each) => `${quoteAlternate(each)}\n`).join(''));
}

const CONFIG = '[core]\n\trepositoryformatversion = 0\n\tbare = true\n';
const configWithFormat = (format: string) =>
  `[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = ${format}\n`;

/** git reads a line that begins with a quote as a quoted string. */
function quoteAlternate(path: string): string {
  if (!/["\n#\\]/.test(path)) return path;
  return `"${path.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}

function readAllPatterns(paths: readonly string[], top: string): Promise<string[]> {
  return Promise.all(paths.map((path) => readPatterns(path, top)));
}

/** Empty unless it is a plain file of sensible size; one below the top has to be there without links, too. */
async function readPatterns(path: string, top: string): Promise<string> {
  const real = await realpath(path).catch(() => null);
  if (real === null || (path.startsWith(`${top}/`) && !real.startsWith(`${top}/`))) return '';
  await using file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null);
  const found = await file?.stat();
  if (!file || !found?.isFile() || found.size > MAX_PATTERN_BYTES) return '';
  return `${(await file.readFile('latin1')).replace(/\n$/, '')}\n`;
}

/** With its time: git compares it to those of the files to know which it need not read. */
async function copyIndex(from: string, to: string): Promise<void> {
  for (const name of ['index', ...(await listFolder(from)).filter((each) => each.startsWith('sharedindex.'))]) {
    if (!(await copyIfThere(join(from, name), join(to, name)))) continue;
    const { atime, mtime } = await stat(join(from, name));
    await utimes(join(to, name), atime, mtime);
  }
}

async function copyIfThere(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to);
    return true;
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw fault;
  }
}

/** The commits at which the history of a repository is cut off. */
export async function readShallow(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, 'shallow'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => /^[0-9a-f]{40,64}$/.test(line));
}
