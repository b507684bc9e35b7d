/** A path on the host, as the daemon needs it: whole, since the daemon runs in another folder. Told here if missing. */
import { statSync } from 'node:fs';
import { BangerError } from '@banger/contract/errors.ts';
import type { Cli } from './cli.ts';

/** Throws FILE_NOT_FOUND, and USAGE for stdin, which the daemon does not have. */
export function hostPath(cli: Cli, path: string): string {
  if (path === '-') throw noStdin();
  const whole = cli.absolutePath(path);
  try {
    statSync(whole);
    return whole;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why = code === 'ENOENT' ? 'it does not exist' : `it cannot be read (${code})`;
    throw new BangerError('FILE_NOT_FOUND', { message: `${whole}: ${why}.`, details: { path: whole }, cause });
  }
}

function noStdin(): BangerError {
  return new BangerError('USAGE', {
    message: '"-" is stdin, and what is named here has to be a file or a folder.',
    hint: 'Write what comes to a file first, and name that.',
  });
}
