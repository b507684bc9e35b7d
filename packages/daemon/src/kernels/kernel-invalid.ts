import { BangerError } from '@banger/contract/errors.ts';

const HINT =
  'A kernel is imported from a vmlinuz or vmlinux for x86-64, with its modules folder (/lib/modules/<release>) where it has one.';

/** `what` is a sentence without its full stop. */
export function kernelInvalid(what: string, cause?: unknown, hint = HINT): BangerError {
  return new BangerError('KERNEL_INVALID', { message: `${what}.`, hint, cause });
}
