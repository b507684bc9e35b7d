/** Which file says how a machine for a repository is made. */
import { readdir } from 'node:fs/promises';
import { textOfBytes } from '@banger/contract/byte-text.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { fsPath } from '../copy/fs-path.ts';
import { dirname, resolve } from '../exact-path.ts';
import { findInside, readInside } from './read-inside.ts';

const FOLDER = '.devcontainer';
const FILE = 'devcontainer.json';
/** Of a folder that anybody may have filled */
const MAX_ENTRIES = 1000;

export type FoundDevcontainer = {
  is: 'document' | 'dockerfile';
  path: string;
  bytes: Buffer;
  /** The folder of the repository that it is for */
  opened: string;
};

/**
 * `folder` is the one that was named, in the repository at `top`; both are real paths. What is in the folder goes before
 * what is at the top. Throws DEVCONTAINER_NOT_FOUND, USAGE where there are several, and as `readInside`.
 */
export async function findDevcontainer(
  top: string,
  folder: string,
  chosen: string | undefined,
): Promise<FoundDevcontainer> {
  if (chosen !== undefined) return readChosen(top, resolve(top, chosen));
  const places = [...new Set([folder, top])];
  for (const place of places) {
    const found = await findIn(top, place);
    if (found !== null) return found;
  }
  for (const place of places) {
    const path = `${place}/Dockerfile`;
    const bytes = await readInside(top, path);
    if (bytes !== null) return { is: 'dockerfile', path, bytes, opened: place };
  }
  throw notFound(
    `There is neither a ${FILE} nor a Dockerfile in ${places.map((each) => cleanQuote(each)).join(' and ')}.`,
  );
}

async function readChosen(top: string, path: string): Promise<FoundDevcontainer> {
  const bytes = await readInside(top, path);
  if (bytes === null) throw notFound(`There is no ${cleanQuote(path)}.`);
  return { is: 'document', path, bytes, opened: openedBy(path) };
}

/** What lies in a `.devcontainer` is for the folder around it. */
function openedBy(path: string): string {
  const parts = dirname(path).split('/');
  const at = parts.lastIndexOf(FOLDER);
  return (at < 0 ? parts : parts.slice(0, at)).join('/') || '/';
}

async function findIn(top: string, opened: string): Promise<FoundDevcontainer | null> {
  for (const path of [`${opened}/${FOLDER}/${FILE}`, `${opened}/.${FILE}`]) {
    const bytes = await readInside(top, path);
    if (bytes !== null) return { is: 'document', path, bytes, opened };
  }
  const several = await listSeveral(top, `${opened}/${FOLDER}`);
  if (several.length > 1) throw ambiguous(top, several);
  const [path] = several;
  return path === undefined ? null : readChosen(top, path);
}

/** Those of folders in it, of which one has to be chosen. */
async function listSeveral(top: string, folder: string): Promise<string[]> {
  const real = await findInside(top, folder);
  const names = real === null ? [] : await namesIn(real);
  const paths: string[] = [];
  for (const name of names.sort()) {
    const path = `${folder}/${name}/${FILE}`;
    if ((await findInside(top, path)) !== null) paths.push(path);
  }
  return paths;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(fsPath(folder), { encoding: 'buffer' })).slice(0, MAX_ENTRIES).map(textOfBytes);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ENOTDIR') return [];
    throw fault;
  }
}

function notFound(message: string): BangerError {
  return new BangerError('DEVCONTAINER_NOT_FOUND', {
    message,
    hint: `Add .devcontainer/${FILE} to the repository, name one with --devcontainer-file, or leave --devcontainer out.`,
  });
}

function ambiguous(top: string, paths: string[]): BangerError {
  const names = paths.slice(0, 10).map((path) => cleanQuote(path.slice(top.length + 1)));
  return new BangerError('USAGE', {
    message: `The repository has several: ${names.join(', ')}.`,
    hint: `Choose one: --devcontainer-file ${names[0]}`,
  });
}
