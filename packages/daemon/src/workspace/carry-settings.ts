/** Takes along how the owner's git compares files: without it the guest's git would call every file modified. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../platform/task.ts';
import type { Repository } from './find-repository.ts';
import type { Git, GitPlace } from './git.ts';
import type { Settings } from './guest-scripts.ts';
import { GLOBAL_ATTRIBUTES, OWN_ATTRIBUTES } from './lens.ts';

/** What git has by itself, on a filesystem of Linux */
const USUAL: Record<string, string> = {
  'core.fileMode': 'true',
  'core.symlinks': 'true',
  'core.autocrlf': 'false',
  'core.eol': 'native',
};

/** Attributes become objects of the lens, to travel with the others. */
export async function carrySettings(task: Task, git: Git, lens: GitPlace, { settings }: Repository): Promise<Settings> {
  const keep = async (name: string) => {
    const file = join(lens.gitDir, name);
    const found = await stat(file).catch(() => null); // a bare repository may have none
    return found?.size ? git.text(task, lens, ['hash-object', '-w', '--no-filters', file]) : '';
  };
  const attributes = await keep(GLOBAL_ATTRIBUTES);
  const lines = Object.entries(settings.switches)
    .filter(([key, value]) => key in USUAL && USUAL[key] !== value)
    .map(([key, value]) => `\t${key.slice('core.'.length)} = ${value}\n`);
  // Relative to the top, where git goes before it reads any
  if (attributes !== '') lines.push('\tattributesFile = .git/banger.attributes\n');
  return {
    config: lines.length === 0 ? '' : `[core]\n${lines.join('')}`,
    attributes,
    ownAttributes: await keep(OWN_ATTRIBUTES),
  };
}
