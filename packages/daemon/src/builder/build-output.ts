/** What buildah says, as steps and notes of the task. The builder's guest is as hostile as any: lines, their length and their number are bounded. */
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { createLineCleaner } from '@banger/contract/line-cleaner.ts';
import type { Task } from '../platform/task.ts';

/** An operation remembers its events, so many in all */
const MAX_STEPS = 400;
const MAX_NOTES = 1500;

const STEP = /^(?:\[\d+\/\d+\] )?STEP \d+(?:\/\d+)?: /;

export function createBuildOutput(task: Pick<Task, 'step' | 'note'>) {
  let steps = 0;
  let notes = 0;
  let lastLine = 'it said nothing.';
  let lastError: string | null = null;
  return { ...createLineCleaner(told), lastWords: () => lastError ?? lastLine };

  function told(text: string): void {
    lastLine = cleanQuote(text);
    if (text.startsWith('Error: ')) lastError = cleanQuote(text.slice('Error: '.length));
    if (STEP.test(text)) {
      if (++steps <= MAX_STEPS) task.step(text);
    } else if (++notes <= MAX_NOTES) task.note(text);
    else if (notes === MAX_NOTES + 1) task.note('… what follows is not shown, but for the steps.');
  }
}
