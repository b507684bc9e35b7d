/** Finds on a guest's console, as it comes, that its kernel says it has halted. Whatever runs in the guest may print that. */
import { Bell } from '../../platform/bell.ts';

/** More than what is looked for takes */
const MAX_LINE_BYTES = 256;
/** At the start of a line, or after the kernel's time where a program left its own line unfinished */
const HALTED = /(?:^|\] )reboot: (?:System halted|Power down|Power off not available: System halted instead)\r?$/;

export class ConsoleWords {
  /** Rings at each such line */
  readonly halted = new Bell();
  hasHalted = false;
  #partial = '';

  push = (bytes: Buffer): void => {
    const lines = (this.#partial + bytes.toString('latin1')).split('\n');
    this.#partial = (lines.pop() as string).slice(-MAX_LINE_BYTES);
    if (!lines.some((line) => HALTED.test(line.slice(-MAX_LINE_BYTES)))) return;
    this.hasHalted = true;
    this.halted.ring();
  };
}
