/**
 * What the layers of an image make of one another, by names alone: which entry of which layer each name in the end stands
 * for. Entries are applied in order, as if each layer were unpacked over the ones below it: a whiteout takes away what
 * lower layers have, a folder in the place of a folder keeps what is in it, and names lead through the links of the image
 * itself, never out of it.
 *
 * Of an entry it keeps its name and its number. Whoever writes layers may be hostile, so names, their bytes and the steps
 * that they cost are bounded.
 */
import { bytesOfText, textOfBytes } from '@banger/contract/byte-text.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import type { TarEntry } from '@banger/contract/tar/read-tar.ts';

export type LayerEntry = Pick<TarEntry, 'name' | 'type' | 'target'>;

/** What an entry is in the image: all of its names where it has several, a folder's or a file's */
export type Place = { entry: number; names: readonly string[] };

export const MERGE_LIMITS = {
  /** Names that there are at a time; each takes about 320 bytes of memory */
  names: 1_000_000,
  /** Characters of these names, and of where links lead */
  characters: 64 * 2 ** 20,
  /** Entries of all layers */
  entries: 4_000_000,
  /** Words of paths that are looked up, and names that whiteouts look at */
  steps: 2 ** 28,
};

const MAX_PATH_BYTES = 4095;
const MAX_NAME_BYTES = 255;
/** As Linux has it */
const MAX_LINKS = 40;

const WHITEOUT = '.wh.';
/** Behind it: all that lower layers have in this folder */
const OPAQUE = '.wh..opq';
/** Behind it: notes that aufs left, which are nobody's files */
const AUFS_NOTE = '.wh.';

/** A folder that no entry names */
const UNNAMED = -1;

export class MergedTree {
  readonly #refuse: (why: string) => Error;
  readonly #limits: typeof MERGE_LIMITS;
  readonly #root = new Node('', null, UNNAMED, FOLDER);
  /** What each entry stands for by now: the first of its names, or nothing any more */
  readonly #owners: (Node | null)[] = [];
  readonly #unnamed = new Set<Node>();
  #layer = 0;
  #names = 0;
  #characters = 0;
  #steps = 0;

  /** `refuse` makes the error of what cannot be: a sentence without its full stop. */
  constructor(refuse: (why: string) => Error, limits = MERGE_LIMITS) {
    this.#refuse = refuse;
    this.#limits = limits;
  }

  /** What is applied from here on belongs to the layer above. */
  beginLayer(): void {
    this.#layer++;
  }

  /** Entries are numbered as they come, from 0. */
  apply(entry: LayerEntry): void {
    const number = this.#owners.push(null) - 1;
    if (number >= this.#limits.entries) throw this.#refuse(`The layers have more than ${this.#limits.entries} entries`);
    const words = this.#wordsOf(entry.name);
    const name = words.pop();
    if (name === undefined) {
      // The root is nobody's but the image's own; see TarFilter.
      if (entry.type !== 'directory') throw this.#refuse('A layer has something else in the place of the root folder');
    } else if (name.startsWith(WHITEOUT)) this.#whiteOut(words, name.slice(WHITEOUT.length), entry.name);
    else this.#put(words, name, entry, number);
  }

  /** The entries that are left in the end, in their order. */
  *places(): Generator<Place, void> {
    for (const [entry, node] of this.#owners.entries()) {
      if (node === null) continue;
      yield { entry, names: node.links === null ? [node.path] : Array.from(node.links, ({ path }) => path) };
    }
  }

  /** The folders that no entry names, parents first. */
  *unnamedFolders(): Generator<string, void> {
    for (const node of this.#unnamed) yield node.path;
  }

  #put(words: string[], name: string, { name: whole, type, target }: LayerEntry, number: number): void {
    const folder = this.#enter(words, whole);
    const before = folder.children?.get(name);
    if (type === 'directory' && before?.children) {
      this.#disown(before);
      before.entry = number;
      this.#owners[number] = before;
      this.#touch(before);
      return;
    }
    if (type === 'special') throw this.#refuse(`A layer has an entry of an unknown kind: "${cleanQuote(whole)}"`);
    if (before) this.#remove(before);
    if (type === 'hardlink') this.#link(folder, name, target, whole);
    else {
      if (type === 'symlink') this.#checkTarget(target, whole);
      this.#add(folder, name, number, type === 'directory' ? FOLDER : type === 'symlink' ? target : null);
    }
  }

  #link(folder: Node, name: string, target: string, whole: string): void {
    const words = this.#wordsOf(target);
    const last = words.pop() ?? '';
    const found = this.#find(words)?.children?.get(last);
    if (!found)
      throw this.#refuse(
        `A layer has a hard link to what is not there: "${cleanQuote(whole)}" to "${cleanQuote(target)}"`,
      );
    if (found.children) throw this.#refuse(`A layer has a hard link to a folder: "${cleanQuote(whole)}"`);
    const link = this.#add(folder, name, found.entry, found.target);
    found.links ??= new Set([found]);
    link.links = found.links.add(link);
  }

  /** Takes away what lower layers have there. What this layer has stays, whether it came before or comes after. */
  #whiteOut(words: string[], rest: string, whole: string): void {
    const isOpaque = rest === OPAQUE;
    if (!isOpaque && rest.startsWith(AUFS_NOTE)) return;
    if (rest === '' || rest === '.' || rest === '..')
      throw this.#refuse(`A layer takes away what has no name: "${cleanQuote(whole)}"`);
    const folder = this.#find(words);
    if (folder === null) return;
    if (!isOpaque) {
      const hidden = folder.children?.get(rest);
      if (hidden) this.#removeLower(hidden);
    } else if (folder.opaque !== this.#layer) {
      folder.opaque = this.#layer;
      for (const child of folder.children?.values() ?? []) this.#removeLower(child);
    }
  }

  #removeLower(top: Node): void {
    const pending = [top];
    for (let node = pending.pop(); node; node = pending.pop()) {
      this.#step();
      if (node.layer !== this.#layer) this.#remove(node);
      else for (const child of node.children?.values() ?? []) pending.push(child);
    }
  }

  #remove(top: Node): void {
    top.parent?.children?.delete(top.name);
    for (const node of [top, ...this.#below(top)]) {
      this.#names--;
      this.#characters -= node.characters;
      node.links?.delete(node);
      this.#disown(node);
    }
  }

  #disown(node: Node): void {
    if (node.entry === UNNAMED) this.#unnamed.delete(node);
    else if (this.#owners[node.entry] === node) this.#owners[node.entry] = node.links?.values().next().value ?? null;
  }

  *#below(top: Node): Generator<Node, void> {
    const pending = Array.from(top.children?.values() ?? []);
    for (let node = pending.pop(); node; node = pending.pop()) {
      yield node;
      for (const child of node.children?.values() ?? []) pending.push(child);
    }
  }

  #add(parent: Node, word: string, entry: number, what: What): Node {
    const node = new Node(ownText(word), parent, entry, what);
    if (bytesOfText(word).length > MAX_NAME_BYTES)
      throw this.#refuse(`A layer has a name that is too long: "${cleanQuote(word)}"`);
    if (node.pathBytes > MAX_PATH_BYTES)
      throw this.#refuse(`A layer has a path that is too long: "…/${cleanQuote(word)}"`);
    this.#names++;
    this.#characters += node.characters;
    if (this.#names > this.#limits.names) throw this.#refuse(`The layers have more than ${this.#limits.names} names`);
    if (this.#characters > this.#limits.characters)
      throw this.#refuse('The layers have more names than there is memory for');
    parent.children?.set(node.name, node);
    if (entry === UNNAMED) this.#unnamed.add(node);
    else this.#owners[entry] ??= node;
    this.#touch(node);
    return node;
  }

  /** This layer has it. Where a folder is marked, those around it are. */
  #touch(touched: Node): void {
    for (let node: Node | null = touched; node && node.layer !== this.#layer; node = node.parent)
      node.layer = this.#layer;
  }

  /** The folder that these words lead to; what is missing of it is made. */
  #enter(words: string[], whole: string): Node {
    const found = this.#walk(words);
    if (found === null) throw this.#refuse(`A layer has something in what is no folder: "${cleanQuote(whole)}"`);
    let { folder } = found;
    for (const word of found.missing) folder = this.#add(folder, word, UNNAMED, FOLDER);
    return folder;
  }

  /** Null where there is no such folder. */
  #find(words: string[]): Node | null {
    const found = this.#walk(words);
    return found?.missing.length === 0 ? found.folder : null;
  }

  /** Through links as they lead within the image; null where something else than a folder is in the way. */
  #walk(words: readonly string[]): { folder: Node; missing: string[] } | null {
    const ahead = words.toReversed();
    const missing: string[] = [];
    let folder = this.#root;
    let links = 0;
    for (let word = ahead.pop(); word !== undefined; word = ahead.pop()) {
      this.#step();
      if (word === '' || word === '.') continue;
      if (word === '..') {
        if (missing.pop() === undefined) folder = folder.parent ?? folder;
        continue;
      }
      const next = missing.length === 0 ? folder.children?.get(word) : undefined;
      if (next === undefined) missing.push(word);
      else if (next.children) folder = next;
      else if (next.target === null) return null;
      else {
        if (++links > MAX_LINKS)
          throw this.#refuse(`A layer has links that lead around in circles: "${cleanQuote(word)}"`);
        if (next.target.startsWith('/')) folder = this.#root;
        ahead.push(...next.target.split('/').reverse());
      }
    }
    return { folder, missing };
  }

  /** "/./etc//passwd" → ["etc", "passwd"] */
  #wordsOf(name: string): string[] {
    if (name.includes('\0')) throw this.#refuse(`A layer has a name with a zero byte: "${cleanQuote(name)}"`);
    const words = name.split('/').filter((word) => word !== '' && word !== '.');
    if (words.includes('..')) throw this.#refuse(`A layer has a name that leaves the root: "${cleanQuote(name)}"`);
    return words;
  }

  #checkTarget(target: string, whole: string): void {
    const isPossible = target !== '' && !target.includes('\0') && bytesOfText(target).length <= MAX_PATH_BYTES;
    if (!isPossible) throw this.#refuse(`A layer has a link that leads nowhere: "${cleanQuote(whole)}"`);
  }

  #step(): void {
    if (++this.#steps > this.#limits.steps) throw this.#refuse('The layers have paths and links without an end');
  }
}

const FOLDER = Symbol('a folder');
/** A symbolic link by where it leads; null for any other file */
type What = typeof FOLDER | string | null;

/** A name that there is, in as little memory as it takes */
class Node {
  readonly name: string;
  readonly parent: Node | null;
  readonly pathBytes: number;
  /** The entry that it stands for */
  entry: number;
  /** The last layer that had it, or something in it */
  layer = 0;
  /** Of a folder */
  readonly children: Map<string, Node> | null;
  /** Where a symbolic link leads */
  readonly target: string | null;
  /** All names of the same file, where there are several */
  links: Set<Node> | null = null;
  /** The last layer that hid what was in this folder */
  opaque = 0;

  constructor(name: string, parent: Node | null, entry: number, what: What) {
    this.name = name;
    this.parent = parent;
    this.pathBytes = parent === null ? -1 : parent.pathBytes + 1 + bytesOfText(name).length;
    this.entry = entry;
    this.children = what === FOLDER ? new Map() : null;
    this.target = what === FOLDER ? null : what;
  }

  get characters(): number {
    return this.name.length + (this.target?.length ?? 0);
  }

  get path(): string {
    const words: string[] = [];
    for (let at: Node = this; at.parent; at = at.parent) words.push(at.name);
    return words.reverse().join('/');
  }
}

/** One that does not keep the whole path alive which it was cut from, as V8 does with longer pieces. */
function ownText(word: string): string {
  return word.length < 13 ? word : textOfBytes(bytesOfText(word));
}
