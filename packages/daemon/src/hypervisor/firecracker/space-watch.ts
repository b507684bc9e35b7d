/**
 * Stops a machine before the host's disk is full, and lets it go on when there is space again.
 *
 * Firecracker gives a guest whose write finds no space an error, which its filesystem answers by throwing data away. So the
 * space is looked at while the machine runs, the more often the less there is, and the machine is stopped while there is
 * still room for what it may write before the next look.
 */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { diskFull } from '../../platform/disk-full.ts';
import { freeBytes } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import type { MachineStall } from '../hypervisor.ts';

const MIB = 2 ** 20;
/** Faster than this a filesystem does not fill: one thread of Firecracker's copies what the guest writes */
const FASTEST_BYTES_PER_MS = (2 * 2 ** 30) / 1000;
const LOOKS_MS = { most: 5000, least: 50, stopped: 1000 };
/** A machine is stopped below this, which takes 125 ms to write at the fastest: a look, and a daemon that is late with it */
const FLOOR_BYTES = 256 * MIB;
/** No more is kept for a disk than it may still grow by, and this for what the filesystem itself writes */
const OVERHEAD_BYTES = 16 * MIB;
/** Above the floor, so that a machine does not stop and go on all the time */
const AGAIN_BYTES = 64 * MIB;

type Room = { freeBytes: number; growthBytes: number };

/** How the room for a disk is found out, and how often */
export type RoomSource = { measure: (disk: string) => Promise<Room>; looksMs: typeof LOOKS_MS };

export const HOST_ROOM: RoomSource = { measure: measureRoom, looksMs: LOOKS_MS };

type SpaceParts = {
  /** The files that the guest writes to */
  disks: readonly string[];
  isStopped: boolean;
  stop: () => void;
  goOn: () => void;
  onChange: (stall: MachineStall | null) => void;
  log: Log;
  room: RoomSource;
};

export function watchSpace(parts: SpaceParts): { end: () => void } {
  const { disks, stop, goOn, onChange, log } = parts;
  const { measure, looksMs } = parts.room;
  const over = new AbortController();
  let { isStopped } = parts;
  if (disks.length > 0) void follow();
  return { end: () => over.abort() };

  async function follow(): Promise<void> {
    let hasWarned = false;
    while (!over.signal.aborted) {
      let pauseMs = looksMs.stopped;
      try {
        const spare = Math.min(...(await Promise.all(disks.map(async (disk) => spareBytes(await measure(disk))))));
        if (over.signal.aborted) return;
        if (isStopped ? spare >= AGAIN_BYTES : spare < 0) change();
        if (!isStopped) pauseMs = untilNextLook(spare, looksMs);
      } catch (fault) {
        if (!hasWarned) log.warn('the space for a machine could not be looked at; it is tried again', fault);
        hasWarned = true;
      }
      await delay(pauseMs, undefined, { ref: false, signal: over.signal }).catch(() => {});
    }
  }

  function change(): void {
    isStopped = !isStopped;
    if (isStopped) stop();
    else goOn();
    onChange(isStopped ? 'disk-full' : null);
  }
}

/** Throws DISK_FULL where a machine would be stopped at once. */
export async function checkRoom(disks: readonly string[], { measure }: RoomSource): Promise<void> {
  for (const disk of disks) {
    const room = await measure(disk);
    const spare = spareBytes(room);
    if (spare < 0) throw diskFull(dirname(disk), room.freeBytes - spare, room.freeBytes);
  }
}

/** What is free above the floor. A disk that cannot grow any more needs next to none. */
export function spareBytes({ freeBytes, growthBytes }: Room): number {
  return freeBytes - Math.min(FLOOR_BYTES, growthBytes + OVERHEAD_BYTES);
}

/** As long as it takes at the fastest to write what is to spare. */
export function untilNextLook(spareBytes: number, { least, most } = LOOKS_MS): number {
  return Math.min(most, Math.max(least, spareBytes / FASTEST_BYTES_PER_MS));
}

async function measureRoom(disk: string): Promise<Room> {
  const [free, { size, blocks }] = await Promise.all([freeBytes(disk), stat(disk)]);
  return { freeBytes: free, growthBytes: Math.max(0, size - blocks * 512) };
}
