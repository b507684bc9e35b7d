/**
 * What every command is handed: the daemon, the terminal, and where to print. What can be wrong on a host (the folders,
 * the socket, the working folder) is looked at when a command asks for it, and throws then.
 */
import type { FolderOwner } from '@banger/contract/own-folder.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';
import type { Client } from '@banger/sdk/connect.ts';
import type { Terminal } from './output/terminal.ts';

export type Cli = {
  /** The daemon; the first call starts it when it does not run */
  client: Client;
  /** The daemon as it is: a call fails with DAEMON_UNREACHABLE when it does not run */
  runningClient: Client;
  /** Throws HOME_INVALID and FOLDER_UNUSABLE. */
  findPaths: () => BangerPaths;
  terminal: Terminal;
  env: Readonly<Record<string, string | undefined>>;
  /** What the user wrote as an absolute path. Throws FILE_NOT_FOUND when the working folder is gone. */
  absolutePath: (path: string) => string;
  /** The user's home folder. Throws HOME_INVALID. */
  findHome: () => string;
  /** Whose folders are trusted */
  owner: FolderOwner;
  isJson: boolean;
  isQuiet: boolean;
  /** To stdout */
  print: (text: string) => void;
  printJson: (value: unknown) => void;
  /** A line on stderr, unless --quiet or --json */
  note: (text: string) => void;
  /** To stderr, always */
  complain: (text: string) => void;
};
