/** Where a workspace is put. Pure. */
import { BangerError } from '@banger/contract/errors.ts';

/** Absolute, plain, and not a folder that the system lives in. Throws BAD_REQUEST. */
export function parseGuestPath(path: string): string {
  const parts = path.replace(/\/+$/, '').split('/').slice(1);
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  const isUsable = path.startsWith('/') && parts.length > 0 && isPlain && !/[\u0000-\u001f\u007f]/.test(path);
  if (isUsable && !(parts.length === 1 && SYSTEM.has(parts[0] as string))) return `/${parts.join('/')}`;
  throw new BangerError('BAD_REQUEST', {
    message: `${JSON.stringify(path)} cannot be the folder of a workspace.`,
    hint: 'Name an absolute folder of its own with --at, such as /root/project.',
  });
}

const SYSTEM = new Set([
  'bin',
  'boot',
  'dev',
  'etc',
  'home',
  'lib',
  'lib64',
  'proc',
  'root',
  'run',
  'sbin',
  'sys',
  'usr',
  'var',
]);
