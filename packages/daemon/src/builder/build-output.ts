/** What buildah says, as steps and notes of the task. The builder's guest is as hostile as any: lines, their length and their number are bounded. */
import { StringDecoder } from 'node:string_decoder';
import { cleanLine, cleanQuote } from '@banger/contract/clean-text.ts';
import type { Task } from '../platform/task.ts';

const MAX_LINE = 1000;
/** An operation remembers its events, so many in all */
const MAX_STEPS = 400;
const MAX_NOTES = 1500;

const STEP = /^(?:\[\d+\/\d+\] )?STEP \d+(?:\/\d+)?: /;

export function createBuildOutput(task: Pick<Task, 'step' | 'note'>) {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let steps = 0;
  let notes = 0;
  let lastLine = 'it said nothing.';
  let lastError: string | null = null;
  return { add, end, lastWords: () => lastError ?? lastLine };

  function add(bytes: Buffer): void {
    const lines = (rest + decoder.write(bytes)).split(/\r?\n|\r/);
    rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) tell(line);
  }

  function end(): void {
    tell(rest);
    rest = '';
  }

  function tell(line: string): void {
    const text = cleanLine(line.slice(0, MAX_LINE)).trimEnd();
    if (text === '') return;
    lastLine = cleanQuote(text);
    if (text.startsWith('Error: ')) lastError = cleanQuote(text.slice('Error: '.length));
    if (STEP.test(text)) {
      if (++steps <= MAX_STEPS) task.step(text);
    } else if (++notes <= MAX_NOTES) task.note(text);
    else if (notes === MAX_NOTES + 1) task.note('… what follows is not shown, but for the steps.');
  }
}
