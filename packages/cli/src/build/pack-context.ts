/** What a build needs, as one tar: the Dockerfile, and below `context/` what is not ignored. */
import { readFile, stat } from 'node:fs/promises';
import { BangerError } from '@banger/contract/errors.ts';
import { tarPadding } from '@banger/contract/tar/tar-block.ts';
import { writeTarHead } from '@banger/contract/tar/tar-head.ts';
import { fsPath } from '../copy/fs-path.ts';
import { type CopyCount, packFiles } from '../copy/pack-files.ts';
import { basename } from '../exact-path.ts';
import { type IgnoreRules, parseIgnoreRules } from './ignore-rules.ts';

const MAX_FILE_BYTES = 4 * 2 ** 20;
const CONTEXT = 'context';

export type BuildContext = { dockerfile: Buffer; rules: IgnoreRules; folder: string };

/** Null when it is not there. */
type ReadFile = (path: string) => Promise<Buffer | null>;

/** Both paths absolute. Throws FILE_NOT_FOUND, or USAGE for what is no folder or no Dockerfile. */
export async function readContext(
  folder: string,
  dockerfilePath: string,
  read: ReadFile = readSmall,
): Promise<BuildContext> {
  const found = await stat(fsPath(folder)).catch(() => null);
  if (!found?.isDirectory()) {
    throw new BangerError('FILE_NOT_FOUND', {
      message: `${folder} is no folder.`,
      hint: 'The context of a build is a folder; the Dockerfile is named by --file.',
    });
  }
  const dockerfile = await read(dockerfilePath);
  if (dockerfile === null) {
    throw new BangerError('FILE_NOT_FOUND', {
      message: `There is no ${dockerfilePath}.`,
      hint: 'Name the Dockerfile with --file.',
      details: { path: dockerfilePath },
    });
  }
  return { dockerfile, folder, rules: await readRules(folder, dockerfilePath, read) };
}

export async function* packContext({ dockerfile, folder, rules }: BuildContext, count: CopyCount) {
  yield writeTarHead({ name: 'Dockerfile', type: 'file', mode: 0o644, mtimeNs: 0n, sizeBytes: dockerfile.length });
  yield dockerfile;
  yield tarPadding(dockerfile.length);
  const inContext = (entry: string) => entry.slice(CONTEXT.length + 1);
  yield* packFiles({
    ...{ path: folder, name: CONTEXT, count },
    leftOut: {
      leavesOut: (entry) => entry !== CONTEXT && rules.leavesOut(inContext(entry)),
      mayKeepBelow: (entry) => rules.mayKeepBelow(inContext(entry)),
    },
  });
}

/** The file of the Dockerfile's own name goes before the context's. */
async function readRules(folder: string, dockerfilePath: string, read: ReadFile): Promise<IgnoreRules> {
  for (const path of [`${dockerfilePath}.dockerignore`, `${folder}/.dockerignore`]) {
    const text = await read(path);
    if (text !== null) return parseIgnoreRules(text.toString('utf8'), basename(path));
  }
  return parseIgnoreRules('', '.dockerignore');
}

/** Null when it is not there. */
async function readSmall(path: string): Promise<Buffer | null> {
  try {
    const found = await stat(fsPath(path));
    if (!found.isFile() || found.size > MAX_FILE_BYTES) throw unreadable(path, 'it is no file, or too large');
    return await readFile(fsPath(path));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw cause instanceof BangerError ? cause : unreadable(path, `it cannot be read (${code})`, cause);
  }
}

function unreadable(path: string, why: string, cause?: unknown): BangerError {
  return new BangerError('FILE_NOT_FOUND', { message: `${path}: ${why}.`, details: { path }, cause });
}
