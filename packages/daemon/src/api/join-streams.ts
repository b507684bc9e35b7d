/** Two streams as one connection: what one says the other hears, at its pace, until both have ended. */
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Closing the connection before the command ended cuts the agent's stream, which hangs the command up. A caller stays
 * until EXIT: one that ends its side was killed, and its command goes with it.
 */
export async function joinFrames(caller: Duplex, guest: Duplex): Promise<void> {
  caller.once('end', () => guest.destroy());
  await pipeline(caller, guest, caller);
}

/** Each side may end its half and still get the other's; a side that breaks takes the other along. */
export async function joinTcp(caller: Duplex, guest: Duplex): Promise<void> {
  await pipeline(caller, guest, caller);
}
