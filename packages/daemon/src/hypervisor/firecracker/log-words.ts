/** Finds in Firecracker's log, as it comes, that the guest was started, and how the process ended. */
import type { Ending } from './describe-exit.ts';

/** A line is a few hundred bytes, and what a guest makes it say is in none of those that are looked for */
const MAX_LINE_BYTES = 4096;
const STARTED = /\] Successfully started microvm/;
const EXITING = /\] Firecracker exiting (?:successfully|with error)\. exit_code=(\d+)$/;
const SIGNALLED = /\] Shutting down VM after intercepting (?:a bad syscall|signal (\d+))/;
/** Firecracker's code for each signal that it takes itself */
const SIGNAL_CODES: Record<string, number> = { 7: 149, 11: 150, 25: 151, 24: 154, 1: 156, 4: 157, 31: 148 };
const BAD_SYSCALL = 148;

export class LogWords {
  /** Resolves once the guest runs */
  readonly started: Promise<void>;
  ending: Ending | null = null;
  readonly #onStarted: () => void;
  #partial = '';

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.started = promise;
    this.#onStarted = resolve;
  }

  push = (bytes: Buffer): void => {
    const lines = (this.#partial + bytes.toString('latin1')).split('\n');
    this.#partial = (lines.pop() as string).slice(-MAX_LINE_BYTES);
    for (const line of lines) this.#read(line);
  };

  #read(line: string): void {
    if (STARTED.test(line)) this.#onStarted();
    const exiting = EXITING.exec(line);
    if (exiting) this.ending = { code: Number(exiting[1]), signal: null };
    const signalled = SIGNALLED.exec(line);
    if (signalled) this.ending = { code: SIGNAL_CODES[signalled[1] ?? ''] ?? BAD_SYSCALL, signal: null };
  }
}
