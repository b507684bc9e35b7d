/** Two streams as one connection: what one says the other hears, at its pace, until both have ended. */
import { once } from 'node:events';
import { type Duplex, finished } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { countDown, deadlineAfter } from '../platform/deadline.ts';
import type { ApiLimits } from './limits.ts';

/** How long a caller who was told everything may take to close */
const FAREWELL_MS = 10_000;

/**
 * Closing the connection before the command ended cuts the agent's stream, which hangs the command up. A caller stays
 * until EXIT: one that ends its side was killed, and its command goes with it.
 *
 * When the guest's side is over, whatever way, the caller gets all that it said and then an orderly end. What the caller
 * still sends is taken and dropped until it closes: a socket that is closed over unread bytes would throw away the
 * command's last words on the other side.
 */
export async function joinFrames(caller: Duplex, guest: Duplex, { firstFrameMs }: ApiLimits): Promise<void> {
  caller.once('end', () => guest.destroy()).once('close', () => guest.destroy());
  guest.on('error', () => {}); // it ends all the same
  const silence = countDown(firstFrameMs, () => guest.destroy());
  caller.once('data', silence.stop);
  caller.pipe(guest);
  guest.pipe(caller, { end: false });
  await new Promise<void>((resolve) => finished(guest, { writable: false }, () => resolve()));
  silence.stop();
  caller.unpipe(guest);
  guest.destroy();
  caller.end();
  caller.resume();
  if (!caller.closed) await Promise.race([once(caller, 'close'), once(deadlineAfter(FAREWELL_MS), 'abort')]);
  caller.destroy();
}

/** Each side may end its half and still get the other's; a side that breaks takes the other along. */
export async function joinTcp(caller: Duplex, guest: Duplex): Promise<void> {
  await pipeline(caller, guest, caller);
}
