/**
 * Who uses which vm now, and since when nobody does: streams of commands, terminals, ssh, forwards and copies, which all
 * pass through the daemon. What goes on in a vm without one, such as a detached command, only its agent knows.
 */
import { EventEmitter } from 'node:events';
import type { VmId } from '@banger/contract/names.ts';

export type Activity = ReturnType<typeof createActivity>;

/** `monotonicMs` does not jump when somebody sets the host's clock, and stands still while the host sleeps. */
export function createActivity({ monotonicMs }: { monotonicMs: () => number }) {
  const users = new Map<VmId, number>();
  const lastUsedMs = new Map<VmId, number>();
  /** A daemon that has just started knows of no use before it */
  const beganMs = monotonicMs();
  const changes = new EventEmitter<{ changed: [] }>();
  return { use, touch, idleSinceMs, forget, onChange: (listener: () => void) => void changes.on('changed', listener) };

  /** Counts until it is disposed. */
  function use(id: VmId): Disposable {
    users.set(id, (users.get(id) ?? 0) + 1);
    let hasEnded = false;
    const end = () => {
      if (hasEnded) return;
      hasEnded = true;
      users.set(id, (users.get(id) ?? 1) - 1);
      touch(id);
    };
    return { [Symbol.dispose]: end };
  }

  function touch(id: VmId): void {
    lastUsedMs.set(id, monotonicMs());
    changes.emit('changed');
  }

  /** By the same clock; null while somebody uses it. */
  function idleSinceMs(id: VmId): number | null {
    if ((users.get(id) ?? 0) > 0) return null;
    return lastUsedMs.get(id) ?? beganMs;
  }

  function forget(id: VmId): void {
    lastUsedMs.delete(id);
    if ((users.get(id) ?? 0) <= 0) users.delete(id);
  }
}
