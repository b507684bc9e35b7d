/**
 * A lens: a repository of banger's own that sees the owner's objects and never writes to them.
 *
 * git reads the config of the repository that it works in, and filters, diff drivers and fsmonitor are programs that a
 * config names. In a lens the config is banger's. Of the owner's it takes over what says how files are compared.
 */
import { copyFile, mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listFolder } from '../platform/files.ts';
import type { Task } from '../platform/task.ts';
import type { Repository } from './find-repository.ts';
import type { Git, GitPlace } from './git.ts';

/** Plain switches, which run nothing */
const TAKEN_OVER = ['core.fileMode', 'core.symlinks', 'core.autocrlf', 'core.eol', 'core.ignoreCase'];

export async function makeLens(task: Task, git: Git, repository: Repository, folder: string): Promise<GitPlace> {
  await makeBareRepository(task, git, folder, repository.objectFormat, join(repository.commonDir, 'objects'));
  await mkdir(join(folder, 'info'), { recursive: true });
  await copyIfThere(join(repository.commonDir, 'shallow'), join(folder, 'shallow'));
  await copyIfThere(join(repository.commonDir, 'info/exclude'), join(folder, 'info/exclude'));
  // An archive holds every file, whatever the attributes say
  await writeFile(join(folder, 'info/attributes'), '* -export-ignore -export-subst\n');
  if (repository.isBare) return { gitDir: folder };
  await copyIndex(repository.gitDir, folder);
  const config: Record<string, string> = { 'core.bare': 'false' };
  for (const key of TAKEN_OVER) {
    const value = await git.text(task, null, ['config', '--get', key], { cwd: repository.path, acceptCodes: [1] });
    if (/^(true|false|input|native|lf|crlf)$/i.test(value)) config[key] = value;
  }
  config['core.excludesFile'] = await git.ownersIgnoreFile(task, repository.path);
  return { gitDir: folder, workTree: repository.path, config };
}

/** An empty repository that sees the objects of another. */
export async function makeBareRepository(
  task: Task,
  git: Git,
  folder: string,
  objectFormat: string,
  objects: string,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await git.run(task, null, [
    'init',
    '--quiet',
    '--bare',
    '--template=',
    '--initial-branch=main',
    ...(objectFormat === 'sha1' ? [] : [`--object-format=${objectFormat}`]),
    folder,
  ]);
  await mkdir(join(folder, 'objects/info'), { recursive: true });
  await writeFile(join(folder, 'objects/info/alternates'), `${quoteAlternate(objects)}\n`);
}

/** git reads a line that begins with a quote as a quoted string. */
function quoteAlternate(path: string): string {
  if (!/["\n#\\]/.test(path)) return path;
  return `"${path.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;
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
