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

/** Of `diff-files -z --name-status`. */
export function parseStatus(listing: Buffer): { present: string[]; gone: string[] } {
  const words = splitNames(listing);
  const present = new Set<string>();
  const gone = new Set<string>();
  for (let at = 0; at + 1 < words.length; at += 2) {
    // A conflict is listed twice, once as unmerged
    (words[at] === 'D' ? gone : present).add(words[at + 1] as string);
  }
  return { present: [...present].filter((name) => !gone.has(name)), gone: [...gone] };
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
