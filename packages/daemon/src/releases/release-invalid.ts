import { BangerError } from '@banger/contract/errors.ts';

/** `why` is a sentence without its full stop. */
export function releaseInvalid(why: string, cause?: unknown): BangerError {
  return new BangerError('HYPERVISOR_INVALID', {
    message: `${why}.`,
    hint: 'Nothing of it was kept. Fetch the release once more, from the project itself.',
    cause,
  });
}
