/**
 * Whether what a guest changed may become a branch or a patch of the owner's. Pure: what git would check out, with the
 * names and links that reach out of the folder, or into what git itself trusts, refused.
 */
import { leadsOut } from '@banger/contract/link-target.ts';
import { type Change, SUBMODULE, SYMLINK } from './tree-entries.ts';

export type Objection = { why: string; name: string; hint?: string };

/** What was brought in: what is special of it, as `keyOf` names it, and where its links lead. */
export type Known = { keys: ReadonlySet<string>; links: readonly { name: string; target: string }[] };

/** `targetOf` reads a new link; null for one that cannot be read. */
export function findObjection(
  changes: readonly Change[],
  known: Known,
  targetOf: (id: string) => string | null,
): Objection | null {
  const links = new Map<string, string>();
  for (const { name, target } of known.links) {
    // A link that points elsewhere in the commit than in the files counts as leading anywhere.
    const isOther = (links.get(name) ?? target) !== target;
    links.set(name, isOther || reachesGit(target) ? '/' : target);
  }
  for (const change of changes) {
    if (change.status === 'D') continue;
    const { name, mode, id } = change;
    if (!isPlainName(name)) return { why: 'its name reaches into .git, or out of the repository', name };
    if (known.keys.has(keyOf(change))) continue;
    if (mode === SUBMODULE)
      return { why: 'a commit has it as a repository inside of the repository', name, hint: TAKE_OUT };
    if (isGitModules(name)) return { why: 'it says where submodules come from', name };
    if (mode !== SYMLINK) continue;
    const target = targetOf(id);
    if (target === null || reachesGit(target) || leadsOut(name.split('/'), target, (path) => links.get(path) ?? null))
      return { why: 'it is a link that leads out of the repository', name };
  }
  return null;
}

const TAKE_OUT =
  'In the vm: "git rm --cached" it, commit that into the commit that added it, and name it in .gitignore. ' +
  'What is not committed is left out by itself.';

/** Ordinary files need not be known: only what is special is compared. */
export function isSpecial({ mode, name }: { mode: string; name: string }): boolean {
  return mode === SUBMODULE || mode === SYMLINK || isGitModules(name);
}

export function keyOf({ mode, id, name }: { mode: string; id: string; name: string }): string {
  return `${mode} ${id} ${name}`;
}

function isPlainName(name: string): boolean {
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !isDotGit(part));
}

/** Also as filesystems that fold case, drop trailing dots or ignore some characters would see it. */
function isDotGit(part: string): boolean {
  const folded = Buffer.from(part, 'latin1')
    .toString('utf8')
    .replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, '')
    .toLowerCase();
  return /^(\.git|git~\d+)[. ]*(:.*)?$/.test(folded) || folded.split('\\').includes('.git');
}

function reachesGit(target: string): boolean {
  return target.split('/').some(isDotGit);
}

function isGitModules(name: string): boolean {
  return /^(\.gitmodules|gitmod~\d+)[. ]*$/i.test(name);
}
