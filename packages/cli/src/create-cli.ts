/** Makes what every command is handed; the only reader of the environment. */
import { homedir } from 'node:os';
import { cleanJson } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { type FolderOwner, folderOwner } from '@banger/contract/own-folder.ts';
import { type BangerPaths, bangerPaths, checkHome } from '@banger/contract/paths.ts';
import type { Cli } from './cli.ts';
import { connectToDaemon } from './connect.ts';
import { exactCwd } from './exact-argv.ts';
import { resolve } from './exact-path.ts';
import { print, complain as writeError } from './output/standard-streams.ts';
import { describeTerminal, type Terminal } from './output/terminal.ts';

type Flags = { json?: unknown; quiet?: unknown };

export function createCli({ json, quiet }: Flags): Cli {
  const isJson = json === true;
  const isQuiet = isJson || quiet === true;
  const complain = (text: string) => writeError(`${text}\n`);
  const note = isQuiet ? () => {} : complain;
  const owner = findOwner();
  let paths: BangerPaths | null = null;
  let terminal: Terminal | null = null;
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
    get terminal() {
      terminal ??= describeTerminal(process.env);
      return terminal;
    },
    env: process.env,
    isJson,
    isQuiet,
    print,
    printJson: (value) => print(`${cleanJson(value, 2)}\n`),
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
    return process.env.HOME ?? homedir(); // which takes an empty HOME for none in the packaged command
  } catch {
    return '';
  }
}

function absolutePath(path: string): string {
  if (path.startsWith('/')) return resolve('/', path);
  const { BANGER_GONE_FOLDER } = process.env; // by bin/banger, which left it
  if (BANGER_GONE_FOLDER !== undefined) throw folderGone(path, BANGER_GONE_FOLDER);
  try {
    return resolve(exactCwd(), path);
  } catch (cause) {
    throw folderGone(path, process.getBuiltinModule('node:fs').readlinkSync('/proc/self/cwd'), cause);
  }
}

function folderGone(path: string, link: string, cause?: unknown): BangerError {
  const folder = link.replace(/ \(deleted\)$/, '');
  return new BangerError('FILE_NOT_FOUND', {
    message: `"${path}" is meant from ${folder}, which ${folder === link ? 'is not yours to enter' : 'no longer exists'}.`,
    hint: 'Go to another folder, or write an absolute path.',
    details: { path, folder },
    cause,
  });
}
