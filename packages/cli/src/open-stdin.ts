/** stdin as what a command was told to read. */
import { fstatSync } from 'node:fs';
import { BangerError } from '@banger/contract/errors.ts';
import type { Cli } from './cli.ts';

/** `example`: a command line that sends something. Throws USAGE for a terminal and a folder, of which nothing comes. */
export function openStdin({ terminal }: Cli, example: string): NodeJS.ReadStream {
  const what = terminal.isStdinTty ? 'a terminal' : fstatSync(0).isDirectory() ? 'a folder' : null;
  if (what === null) return process.stdin;
  throw new BangerError('USAGE', {
    message: `"-" reads a tar stream from stdin, but stdin is ${what}.`,
    hint: `Send one through a pipe, such as: ${example}`,
  });
}
