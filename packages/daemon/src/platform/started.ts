/**
 * What banger has started and left running, found again by a daemon that did not start it.
 *
 * Before such a program starts, its words are written down in the folder of its run. A process is ours when it is of the
 * same user and its last words are those, with the run's folder among them: so are the programs that it starts in turn,
 * each with the rest of the words. Whoever only names a file in there, a pager or an editor, is a stranger.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSmallFile } from './files.ts';
import { killProcess, listProcesses, type ProcessRef } from './processes.ts';

const NOTE = /^started-[0-9a-f]{12}\.json$/;
/** So many of the same last words are no chance */
const MIN_WORDS = 4;

/** To be called before the start: when the daemon dies between the two, the next one still knows of the program. */
export function noteStart(runFolder: string, argv: readonly string[]): void {
  const path = join(runFolder, `started-${randomBytes(6).toString('hex')}.json`);
  writeFileSync(path, JSON.stringify(argv), { mode: 0o600 });
}

/** The living processes that were started for this run, or those with `word` among their words; none without its folder. */
export function findStarted(runFolder: string, word?: string): ProcessRef[] {
  const notes = readNotes(runFolder).filter((words) => word === undefined || words.includes(word));
  if (notes.length === 0) return [];
  return listProcesses(({ argv }) => notes.some((words) => isOurs(argv, words, runFolder)));
}

/** Ends those that `findStarted` finds, and what they start until they have ended. Safe to repeat. Throws PROCESS_STUCK. */
export async function killStarted(runFolder: string, word?: string): Promise<void> {
  for (;;) {
    const found = findStarted(runFolder, word);
    if (found.length === 0) return;
    await Promise.all(found.map(killProcess));
  }
}

/** `argv` ends with the words of a program, from one that names the run's folder on. */
export function isOurs(argv: readonly string[], words: readonly string[], runFolder: string): boolean {
  let same = 0;
  while (same < Math.min(argv.length, words.length) && argv.at(-1 - same) === words.at(-1 - same)) same++;
  return same >= MIN_WORDS && words.slice(-same).some((word) => word.includes(`${runFolder}/`));
}

function readNotes(runFolder: string): string[][] {
  let names: string[];
  try {
    names = readdirSync(runFolder);
  } catch {
    return []; // nothing of this run is left
  }
  return names.filter((name) => NOTE.test(name)).flatMap((name) => readNote(join(runFolder, name)));
}

function readNote(path: string): string[][] {
  try {
    return [JSON.parse(readSmallFile(path)) as string[]];
  } catch {
    return []; // cut off: the program was not started yet
  }
}
