/**
 * The rules of a .dockerignore, as Docker has them: one a line, of which the last that matches counts; one that matches a
 * folder matches all that is in it; `!` takes back. Paths are relative to the context, without a slash in front.
 */
import { BangerError } from '@banger/contract/errors.ts';
import { normalize } from '../exact-path.ts';

export type IgnoreRules = {
  leavesOut: (path: string) => boolean;
  /** Whether something in a folder that is left out may have been taken back */
  mayKeepBelow: (folder: string) => boolean;
};

type Rule = { takesBack: boolean; pattern: string; matches: RegExp };

/** Throws USAGE for a pattern that none can match. */
export function parseIgnoreRules(text: string, fileName: string): IgnoreRules {
  const rules = text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .flatMap((line, index) => parseRule(line, `${fileName}, line ${index + 1}`));
  return { leavesOut, mayKeepBelow };

  function leavesOut(path: string): boolean {
    const withParents = parentsOf(path);
    const last = rules.findLast(({ matches }) => withParents.some((each) => matches.test(each)));
    return last !== undefined && !last.takesBack;
  }

  function mayKeepBelow(folder: string): boolean {
    return rules.some(({ takesBack, pattern }) => takesBack && reachesBelow(pattern, folder));
  }
}

function parseRule(line: string, where: string): Rule[] {
  const words = line.trim();
  if (line.startsWith('#') || words === '') return [];
  const takesBack = words.startsWith('!');
  const named = takesBack ? words.slice(1).trim() : words;
  if (named === '') throw badRule(where, 'after "!" comes what is taken back');
  const pattern = normalize(named)
    .replace(/(?<=.)\/$/, '')
    .replace(/^\/(?=.)/, '');
  try {
    return [{ takesBack, pattern, matches: new RegExp(`^${toExpression(pattern)}$`, 's') }];
  } catch (cause) {
    throw badRule(where, `"${named}" is no pattern`, cause);
  }
}

/** "a", "a/b" and "a/b/c" of "a/b/c" */
function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

const PIECE = /\*\*\/?|\*|\?|\\(.)|(\[(?:\\.|[^\]\\])+\])|(.)/gs;

function toExpression(pattern: string): string {
  return pattern.replace(PIECE, (piece, escaped, set, character) => {
    if (piece === '**') return '.*';
    if (piece === '**/') return '(?:.*/)?';
    if (piece === '*') return '[^/]*';
    if (piece === '?') return '[^/]';
    if (set !== undefined) return set;
    return plainly(escaped ?? character);
  });
}

function plainly(character: string): string {
  if (character === '[' || character === '\\') throw new SyntaxError('it has no end');
  return /[\^$\\.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}

/** Whether the first parts of the pattern match those of the folder, and more of it follows. */
function reachesBelow(pattern: string, folder: string): boolean {
  const wanted = pattern.split('/');
  const parts = folder.split('/');
  for (const [index, part] of parts.entries()) {
    const next = wanted[index];
    if (next === undefined) return false;
    if (next.includes('**')) return true;
    if (!new RegExp(`^${toExpression(next)}$`, 's').test(part)) return false;
  }
  return wanted.length > parts.length;
}

function badRule(where: string, why: string, cause?: unknown): BangerError {
  return new BangerError('USAGE', { message: `${where}: ${why}.`, cause });
}
