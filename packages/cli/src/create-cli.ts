/** Makes what every command is handed; the only reader of the environment. */
import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import { cleanJson } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { type FolderOwner, folderOwner } from '@banger/contract/own-folder.ts';
import { type BangerPaths, bangerPaths, checkHome } from '@banger/contract/paths.ts';
import type { Cli } from './cli.ts';
import { connectToDaemon } from './connect.ts';
import { exactCwd } from './exact-argv.ts';
import { describeTerminal } from './output/terminal.ts';

type Flags = { json?: unknown; quiet?: unknown };

export function createCli({ json, quiet }: Flags): Cli {
  const isJson = json === true;
  const isQuiet = isJson || quiet === true;
  const complain = (text: string) => void process.stderr.write(`${text}\n`);
  const note = isQuiet ? () => {} : complain;
  const owner = findOwner();
  let paths: BangerPaths | null = null;
  const findPaths = () => {
    paths ??= readPaths(owner);
    return paths;
  };
  return {
    ...connectToDaemon({ findPaths, owner, warn: note }),
    findPaths,
    findHome: () => checkHome(readHome()),
    owner,
    absolutePath,
    terminal: describeTerminal(process.env),
    env: process.env,
    isJson,
    isQuiet,
    print: (text) => void process.stdout.write(text),
    printJson: (value) => void process.stdout.write(`${cleanJson(value, 2)}\n`),
    note,
    complain,
  };
}

function findOwner(): FolderOwner {
  // An import of node:fs would load its promises and their streams at every start.
  return { uid: process.getuid?.() ?? 0, files: process.getBuiltinModule('node:fs') };
}

function readPaths({ uid, files }: FolderOwner): BangerPaths {
  return bangerPaths({ env: process.env, uid, home: readHome(), ownerOf: (path) => folderOwner(path, files) });
}

/** Empty where neither HOME nor the account says */
function readHome(): string {
  try {
    return homedir();
  } catch {
    return '';
  }
}

function absolutePath(path: string): string {
  if (isAbsolute(path)) return resolve(path);
  try {
    return resolve(exactCwd(), path);
  } catch (cause) {
    const folder = process
      .getBuiltinModule('node:fs')
      .readlinkSync('/proc/self/cwd')
      .replace(/ \(deleted\)$/, '');
    throw new BangerError('FILE_NOT_FOUND', {
      message: `"${path}" is meant from ${folder}, which no longer exists.`,
      hint: 'Go to a folder that exists, or write an absolute path.',
      details: { path, folder },
      cause,
    });
  }
}
