/** Refuses what the host cannot hold, before the host's out-of-memory killer chooses for us. */
import { BangerError } from '@banger/contract/errors.ts';
import { formatMib } from '@banger/contract/sizes.ts';

/** `hostHas` reads in the message: 'has' for all memory, 'has free' for what is available now. */
export function checkMemory(wantedBytes: number, hostBytes: number, hostHas: 'has' | 'has free'): void {
  if (wantedBytes <= hostBytes) return;
  throw new BangerError('NOT_ENOUGH_MEMORY', {
    message: `The vm asks for ${formatMib(wantedBytes)} of memory; this host ${hostHas} ${formatMib(hostBytes)}.`,
    hint: 'Give it less with --memory, or stop other vms first.',
    details: { wantedBytes, hostBytes },
  });
}
