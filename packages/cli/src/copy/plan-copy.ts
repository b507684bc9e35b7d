/** Where a copy goes, by the kinds of what is there: the rules of `docker cp`. Decides only. */

import { BangerError } from '@banger/contract/errors.ts';
import type { VmName } from '@banger/contract/names.ts';
import { basename, dirname, normalize } from '../exact-path.ts';

/** One side as it was written on the command line. */
export type Side = { is: 'host'; path: string } | { is: 'guest'; vm: string; path: string } | { is: 'stream' };

/** What is at a path, links followed; null when nothing is. */
export type Kind = 'file' | 'directory' | 'other' | null;

export type CopyQuestion = {
  source: { path: string; kind: Kind };
  destination: { path: string; kind: Kind; parentKind: Kind };
};

export type CopyPlan = {
  /** An existing folder */
  folder: string;
  /** What the copy is called in there; null when the content of a source folder goes in there without the folder */
  name: string | null;
};

const NAME_AND_PATH = /^([a-z0-9][a-z0-9-]{0,62}):(.*)$/s;

/** "web:/etc" is in a vm, "./web:/etc" and "/web:x" are not: a vm's name has no dot and no slash. */
export function parseSide(text: string): Side {
  if (text === '-') return { is: 'stream' };
  const match = NAME_AND_PATH.exec(text);
  if (match === null) return { is: 'host', path: text };
  const [, vm, path] = match as unknown as [string, VmName, string];
  if (path.startsWith('/')) return { is: 'guest', vm, path };
  throw new BangerError('USAGE', {
    message: `"${text}": a path in a vm begins with a slash.`,
    hint: `Write ${vm}:/root/${path}, or ./${text} for a file of the host.`,
  });
}

export function planCopy({ source, destination }: CopyQuestion): CopyPlan {
  const sourceName = basename(normalize(source.path));
  const { path, kind } = destination;
  if (source.kind === 'other') refuse(`${source.path} is neither a file nor a folder`);
  if (source.kind === 'file' && /\/\.?$/.test(source.path)) refuse(`${source.path} is not a folder`);
  if (kind === 'other') refuse(`${path} is neither a file nor a folder`);

  if (kind === 'directory') {
    const isContentWanted = source.kind === 'directory' && /(^|\/)\.$/.test(source.path);
    return { folder: path, name: isContentWanted ? null : sourceName };
  }
  if (kind === 'file') {
    if (source.kind === 'directory') refuse(`${source.path} is a folder, but ${path} is a file`);
    return { folder: dirname(path), name: basename(path) };
  }
  if (source.kind === 'file' && path.endsWith('/')) refuse(`the folder ${path} does not exist`);
  if (destination.parentKind !== 'directory') refuse(`the folder ${dirname(normalize(path))} does not exist`);
  const wanted = normalize(path).replace(/\/+$/, '');
  return { folder: dirname(wanted), name: basename(wanted) };
}

function refuse(why: string): never {
  throw new BangerError('GUEST_PATH', { message: `This cannot be copied: ${why}.` });
}
