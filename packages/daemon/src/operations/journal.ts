/** One operation's events: kept in order, followed by any number of readers at their own speed. */
import type { OperationEvent } from '@banger/contract/api/operations.ts';
import { Bell } from '../platform/bell.ts';

const MAX_EVENTS = 2000;

export class Journal {
  readonly #kept: OperationEvent[] = [];
  #latestProgress: OperationEvent | null = null;
  #hasEnded = false;
  readonly #changed = new Bell();

  add(event: OperationEvent): void {
    if (this.#hasEnded) return;
    if (event.is === 'progress') this.#latestProgress = event;
    else if (this.#kept.length < MAX_EVENTS) this.#kept.push(event);
    this.#changed.ring();
  }

  end(event: OperationEvent): void {
    this.#kept.push(event);
    this.#hasEnded = true;
    this.#changed.ring();
  }

  /** All events from the first to the last; a slow reader misses progress and nothing else. Ends early on `signal`. */
  async *follow(signal: AbortSignal): AsyncGenerator<OperationEvent> {
    signal.addEventListener('abort', () => this.#changed.ring(), { once: true });
    let seenProgress: OperationEvent | null = null;
    for (let next = 0; !signal.aborted; ) {
      const changed = this.#changed.next();
      while (next < this.#kept.length) yield this.#kept[next++] as OperationEvent;
      if (this.#hasEnded) return;
      if (this.#latestProgress !== seenProgress) {
        seenProgress = this.#latestProgress;
        if (seenProgress) yield seenProgress;
      }
      await changed;
    }
  }
}
