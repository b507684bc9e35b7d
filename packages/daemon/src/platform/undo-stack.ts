/**
 * Steps with their undo. Register the undo first, then act: undoing what never happened is harmless.
 *
 *     await using undo = new UndoStack(log);
 *     undo.add('remove the folder', () => removeTree(folder));
 *     await makeFolder(folder);
 *     undo.keep();
 */
import type { Log } from './log.ts';

type Undo = { what: string; run: () => unknown };

export class UndoStack implements AsyncDisposable {
  readonly #log: Log;
  #undos: Undo[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  add(what: string, run: () => unknown): void {
    this.#undos.push({ what, run });
  }

  /** All went well: nothing is undone. */
  keep(): void {
    this.#undos = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { what, run } of this.#undos.splice(0).reverse()) {
      try {
        await run();
      } catch (fault) {
        // The others still have to run, and reconcile finds at the next start what is left.
        this.#log.warn(`could not undo: ${what}`, fault);
      }
    }
  }
}
