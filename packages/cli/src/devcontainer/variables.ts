/**
 * `${…}` in a devcontainer.json. The repository is not to be told what is this host's: no path stands for itself, and of the
 * environment only what the caller hands over. What is none of these words is left as it is: it may be the shell's. Pure.
 */
import { invalid } from './read-document.ts';

// No braces inside: each end is looked for as far as the next beginning, and no further.
const FORM = /\$\{([A-Za-z]+)(?::([^{}:]*)(?::([^{}]*))?)?\}/g;
/** Of one value once it is filled; no command or variable may be as long */
const MAX_FILLED = 2 ** 21;

export type Variables = {
  /** By their names, such as containerWorkspaceFolder */
  words: ReadonlyMap<string, string>;
  /** What of this host's environment the caller hands over, by its names */
  handed: Readonly<Record<string, string>>;
};

export type Filled = {
  text: string;
  /** Variables of this host that were asked for and not handed over, without a default */
  missing: string[];
  /** Whether something that was handed over is in it */
  isHanded: boolean;
};

export function fill(template: string, { words, handed }: Variables): Filled {
  const missing: string[] = [];
  let isHanded = false;
  const text = replaceAll(template, (word, name, otherwise) => {
    if (name === undefined) return words.get(word);
    if (word !== 'localEnv' && word !== 'env') return undefined;
    const value = own(handed, name);
    if (value !== undefined) isHanded = true;
    else if (otherwise === undefined) missing.push(name);
    return value ?? otherwise ?? '';
  });
  return { text, missing, isHanded };
}

export function asksGuest(text: string): boolean {
  return text.includes('${containerEnv:');
}

/** What stands for variables that the machine has already. */
export function fillFromGuest(text: string, guest: Readonly<Record<string, string>>): string {
  return replaceAll(text, (word, name, otherwise = '') =>
    word === 'containerEnv' && name !== undefined ? (own(guest, name) ?? otherwise) : undefined,
  );
}

/** What has no value stays as it is. Throws DEVCONTAINER_INVALID for what would grow without end. */
function replaceAll(
  text: string,
  meaningOf: (word: string, name: string | undefined, otherwise: string | undefined) => string | undefined,
): string {
  let left = MAX_FILLED;
  return text.replace(FORM, (whole, word: string, name?: string, otherwise?: string) => {
    const value = meaningOf(word, name, otherwise) ?? whole;
    left -= value.length;
    if (left < 0) throw invalid('A value of it is too long once its variables are filled in.');
    return value;
  });
}

function own(values: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}
