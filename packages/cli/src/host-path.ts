/** A path on the host, as the daemon needs it: whole, since the daemon runs in another folder. Told here if missing. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';

export function hostPath(cwd: string, path: string): string {
  const whole = resolve(cwd, path);
  try {
    statSync(whole);
    return whole;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why = code === 'ENOENT' ? 'it does not exist' : `it cannot be read (${code})`;
    throw new BangerError('FILE_NOT_FOUND', { message: `${whole}: ${why}.`, details: { path: whole }, cause });
  }
}
