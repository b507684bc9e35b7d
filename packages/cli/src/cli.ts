/** What every command is handed: the daemon, the terminal, and where to print. */
import type { BangerPaths } from '@banger/contract/paths.ts';
import type { Client } from '@banger/sdk/connect.ts';
import type { Terminal } from './output/terminal.ts';

export type Cli = {
  /** The daemon; the first call starts it when it does not run */
  client: Client;
  /** The daemon as it is: a call fails with DAEMON_UNREACHABLE when it does not run */
  runningClient: Client;
  paths: BangerPaths;
  socketPath: string;
  terminal: Terminal;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** The user's home folder */
  home: string;
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
