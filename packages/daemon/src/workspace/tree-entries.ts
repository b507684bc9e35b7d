/** What git lists, as values. Names are bytes: latin1 strings keep each of them, and `showName` makes them readable. */

export type TreeEntry = { mode: string; id: string; sizeBytes: number; name: string };

export const SYMLINK = '120000';
export const SUBMODULE = '160000';

/** Of `ls-tree -r -z -l`. */
export function parseTree(listing: Buffer): TreeEntry[] {
  return splitNames(listing).map((line) => {
    const tab = line.indexOf('\t');
    const [mode = '', , id = '', size = ''] = line.slice(0, tab).split(/ +/);
    return { mode, id, sizeBytes: Number(size) || 0, name: line.slice(tab + 1) };
  });
}

export type Change = { mode: string; id: string; status: string; name: string };

/** Of `diff-tree -r -z --raw --no-renames`, with or without lines that name commits between. */
export function parseChanges(listing: Buffer): Change[] {
  const changes: Change[] = [];
  const words = splitNames(listing);
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    if (!word.startsWith(':')) continue;
    const [, mode = '', , id = '', status = ''] = word.split(' ');
    changes.push({ mode, id, status, name: words[++at] ?? '' });
  }
  return changes;
}

export type Status = {
  /** Files and index are as the last commit has them */
  isClean: boolean;
  /** Tracked files that differ from the index, and those that are not there any more */
  present: string[];
  gone: string[];
  /** Repositories among them end with a slash */
  untracked: string[];
};

// What the work tree has against the index, its mode there, and the name; a conflict has three modes before and ids after
const DIFFERENCE = [/^1 .(.) (?:\S+ ){3}(\d+) (?:\S+ ){2}(.*)$/s, /^u .(.) (?:\S+ ){4}(\d+) (?:\S+ ){3}(.*)$/s];

/** Of `status --porcelain=v2 -z --no-renames`. */
export function parseStatus(listing: Buffer): Status {
  const lines = splitNames(listing);
  const untracked = lines.filter((line) => line.startsWith('? ')).map((line) => line.slice(2));
  const present: string[] = [];
  const gone: string[] = [];
  for (const line of lines) {
    const [, how, mode = '', name = ''] = DIFFERENCE.map((form) => form.exec(line)).find((found) => found) ?? [];
    if (how !== undefined && how !== '.') (Number(mode) === 0 ? gone : present).push(name);
  }
  return { isClean: lines.length === untracked.length, present, gone, untracked };
}

export function splitNames(listing: Buffer): string[] {
  const names = listing.toString('latin1').split('\0');
  if (names.at(-1) === '') names.pop();
  return names;
}

export function joinNames(names: readonly string[]): Buffer {
  return Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1');
}

/** For people: UTF-8, with control characters shown as escapes. */
export function showName(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

/** "a, b and 3 more" */
export function showNames(names: readonly string[], shown = 3): string {
  const some = names.slice(0, shown).map(showName).join(', ');
  return names.length > shown ? `${some} and ${names.length - shown} more` : some;
}
