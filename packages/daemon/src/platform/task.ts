/**
 * What everything that waits takes first: cancellation, and the lines that the user sees.
 *
 * `task.step('make the disk')` begins a step and ends the one before. `task.check()` throws CANCELLED once the caller
 * has given up, and TIMED_OUT once a deadline has passed; `task.signal` does the same for whatever takes an AbortSignal.
 */
import { abortError, type BangerError } from '@banger/contract/errors.ts';
import { deadlineAfter } from './deadline.ts';

type TaskEvent =
  | { is: 'step'; step: string }
  | { is: 'progress'; done: number; total: number | null; unit: 'bytes' | 'items'; detail?: string }
  | { is: 'note'; text: string };

export class Task {
  readonly signal: AbortSignal;
  readonly #report: (event: TaskEvent) => void;

  constructor(signal: AbortSignal, report: (event: TaskEvent) => void) {
    this.signal = signal;
    this.#report = report;
  }

  /** Work that nobody watches and nobody cancels: undoing, reconciling, tests. */
  static background(): Task {
    return new Task(new AbortController().signal, () => {});
  }

  step(step: string): void {
    this.check();
    this.#report({ is: 'step', step });
  }

  progress(done: number, total: number | null, unit: 'bytes' | 'items', detail?: string): void {
    this.#report({ is: 'progress', done, total, unit, ...(detail !== undefined && { detail }) });
  }

  note(text: string): void {
    this.#report({ is: 'note', text });
  }

  check(): void {
    if (this.signal.aborted) throw stopped(this.signal);
  }

  /** The same reports, with another reason to stop added. */
  withSignal(signal: AbortSignal): Task {
    return new Task(AbortSignal.any([this.signal, signal]), this.#report);
  }

  /** The same, to be done within `ms`, as `deadlineAfter` counts them. */
  within(ms: number): Task {
    return this.withSignal(deadlineAfter(ms));
  }

  /** Waits for `promise`, but no longer than the caller wants it. */
  async race<Value>(promise: Promise<Value>): Promise<Value> {
    this.check();
    let onAbort = () => {};
    const aborted = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(stopped(this.signal));
      this.signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([promise, aborted]);
    } finally {
      this.signal.removeEventListener('abort', onAbort);
    }
  }
}

function stopped(signal: AbortSignal): BangerError {
  return abortError(signal, 'Cancelled; everything begun was undone.');
}
