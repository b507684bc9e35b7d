/** How long a command may be: what Linux takes for a program's arguments and environment. */
import { BangerError } from '../errors.ts';
import type { ExecStart } from './messages.ts';

/** A quarter of the usual stack, less what the agent itself adds to the environment */
export const MAX_COMMAND_BYTES = 2 * 2 ** 20 - 16 * 2 ** 10;
/** One argument, or one variable with its name, without the byte that ends it */
export const MAX_WORD_BYTES = 128 * 2 ** 10 - 1;
const POINTER_BYTES = 8;

/** Throws COMMAND_TOO_LONG, before anything is sent. */
export function checkCommandSize({ argv, env }: Pick<ExecStart, 'argv' | 'env'>): void {
  const words = [...argv, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  let sizeBytes = 0;
  for (const word of words) {
    const wordBytes = utf8Length(word);
    if (wordBytes > MAX_WORD_BYTES) throw tooLong('One word of the command, or one variable, is', '128 KiB');
    sizeBytes += wordBytes + 1 + POINTER_BYTES;
  }
  if (sizeBytes > MAX_COMMAND_BYTES) throw tooLong('The command with its environment is', '2 MiB');
}

const encoder = new TextEncoder();

function utf8Length(text: string): number {
  return text.length > MAX_WORD_BYTES ? text.length : encoder.encode(text).length;
}

function tooLong(what: string, limit: string): BangerError {
  return new BangerError('COMMAND_TOO_LONG', {
    message: `${what} longer than ${limit}, which is all that Linux takes.`,
    hint: 'Send it on stdin, or put it in a file and bring that in with "banger vm cp".',
  });
}
