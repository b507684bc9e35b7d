/**
 * The door to events: what changed, told to whoever listens, while they listen. Nothing is kept for later.
 *
 * Whoever publishes waits for nobody. Each listener has a queue of its own; one that reads too slowly loses what is in it
 * and is told that there is a gap.
 */
import type { DaemonEvent } from '@banger/contract/api/events.ts';
import { Bell } from '../platform/bell.ts';

export type Change = WithoutTime<Exclude<DaemonEvent, { is: 'gap' }>>;
type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'at'> : never;
export type Publish = (change: Change) => void;

const MAX_QUEUED = 1000;

export type Events = ReturnType<typeof createEvents>;

export function createEvents({ now, maxQueued = MAX_QUEUED }: { now: () => Date; maxQueued?: number }) {
  const listeners = new Set<Listener>();
  return { publish, listen };

  function publish(change: Change): void {
    const event: DaemonEvent = { ...change, at: now().toISOString() };
    for (const listener of listeners) listener.add(event);
  }

  /** All that is published from this call on, until `signal` aborts. */
  function listen(signal: AbortSignal): AsyncGenerator<DaemonEvent> {
    const listener = new Listener(maxQueued);
    listeners.add(listener);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    return listener.read();

    function leave(): void {
      listeners.delete(listener);
      listener.end();
    }
  }
}

class Listener {
  readonly #maxQueued: number;
  #queue: DaemonEvent[] = [];
  #missed = 0;
  #hasEnded = false;
  readonly #changed = new Bell();

  constructor(maxQueued: number) {
    this.#maxQueued = maxQueued;
  }

  add(event: DaemonEvent): void {
    if (this.#queue.length === this.#maxQueued) this.#missed += this.#queue.splice(0).length;
    this.#queue.push(event);
    this.#changed.ring();
  }

  end(): void {
    this.#hasEnded = true;
    this.#changed.ring();
  }

  async *read(): AsyncGenerator<DaemonEvent> {
    while (!this.#hasEnded) {
      const changed = this.#changed.next();
      for (let next = this.#take(); next; next = this.#take()) yield next;
      await changed;
    }
  }

  #take(): DaemonEvent | null {
    const [first] = this.#queue;
    if (this.#hasEnded || !first) return null;
    if (this.#missed === 0) return this.#queue.shift() ?? null;
    const gap: DaemonEvent = { is: 'gap', at: first.at, missed: this.#missed };
    this.#missed = 0;
    return gap;
  }
}
