/** What `--wait` says, as the API has it. */
import type { WaitFor } from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';

export function waitForOf(text: string | undefined): { waitFor?: WaitFor } {
  if (text === undefined) return {};
  if (text === 'agent' || text === 'system') return { waitFor: text };
  throw new BangerError('USAGE', {
    message: `--wait ${text}: there is nothing of this name to wait for.`,
    hint: 'Write --wait system to wait for the init of the image, or leave it out.',
  });
}
