/**
 * How an operation goes, on stderr: on a terminal one line that is redrawn (and, unless it is brief, a line for each
 * step that is done), elsewhere a plain line for each step.
 */
import type { OperationEvent } from '@banger/contract/api/operations.ts';
import { cleanLine } from '@banger/contract/clean-text.ts';
import { formatDuration, formatSize } from '@banger/contract/sizes.ts';

export type ProgressStyle = {
  view: 'live' | 'plain' | 'none';
  hasColour: boolean;
  /** Leave nothing of the live view behind: what follows is what the user asked for */
  isBrief: boolean;
  /** Said before each line, when several operations go on at once */
  prefix?: string;
};

type ProgressParts = ProgressStyle & {
  write: (text: string) => void;
  now: () => number;
  columns: () => number;
};

export type Progress = {
  onEvent: (event: OperationEvent) => void;
  /** A line of ours, above what is redrawn */
  note: (text: string) => void;
  /** Must be called: it ends the redrawing */
  end: () => void;
};

type Step = {
  name: string;
  startedMs: number;
  done: number;
  total: number | null;
  unit: 'bytes' | 'items' | null;
  detail?: string;
};

const REDRAW_MS = 100;
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const ERASE_LINE = '\r\u001b[K';

export function createProgress(parts: ProgressParts): Progress {
  const { view, write, now, columns, isBrief, prefix = '' } = parts;
  let step: Step | null = null;
  let timer: NodeJS.Timeout | null = null;
  return { onEvent, note, end };

  function onEvent(event: OperationEvent): void {
    switch (event.is) {
      case 'begun':
        return;
      case 'step':
        finishStep('✓');
        beginStep(event.step);
        return;
      case 'progress':
        if (step !== null) step = { ...step, ...amountOf(event) };
        return;
      case 'note':
        note(cleanLine(event.text));
        return;
      case 'done':
        finishStep('✓');
        return;
      case 'failed':
        finishStep('✗');
        return;
    }
  }

  function note(text: string): void {
    if (view === 'none') return;
    if (step !== null && view === 'live') write(ERASE_LINE);
    write(`${prefix}${text}\n`);
    redraw();
  }

  function end(): void {
    finishStep('✗');
  }

  function beginStep(name: string): void {
    step = { name: cleanLine(name), startedMs: now(), done: 0, total: null, unit: null };
    if (view === 'plain') write(`${prefix}· ${step.name}\n`);
    if (view !== 'live') return;
    timer = setInterval(redraw, REDRAW_MS);
    redraw();
  }

  function finishStep(mark: '✓' | '✗'): void {
    if (timer !== null) clearInterval(timer);
    timer = null;
    if (step !== null && view === 'live') {
      write(ERASE_LINE);
      if (!isBrief || mark === '✗') write(`${renderDone(step, mark, now(), parts.hasColour)}\n`);
    }
    step = null;
  }

  function redraw(): void {
    if (step !== null && view === 'live') write(ERASE_LINE + renderStep(step, now(), columns(), parts.hasColour));
  }
}

/** "⠙ boot 1.3 s", cut to the width of the terminal: a line that wraps cannot be redrawn. */
export function renderStep(step: Step, nowMs: number, columns: number, hasColour: boolean): string {
  const elapsedMs = nowMs - step.startedMs;
  const spinner = FRAMES[Math.floor(elapsedMs / REDRAW_MS) % FRAMES.length] as string;
  const text = [step.name, amount(step), step.detail, elapsedMs >= 1000 ? formatDuration(elapsedMs) : '']
    .filter(Boolean)
    .join(' ');
  const fitting = text.length + 3 > columns ? `${text.slice(0, Math.max(0, columns - 4))}…` : text;
  return `${hasColour ? paint(36, spinner) : spinner} ${fitting}`;
}

function renderDone(step: Step, mark: '✓' | '✗', nowMs: number, hasColour: boolean): string {
  const duration = formatDuration(nowMs - step.startedMs);
  if (!hasColour) return `${mark} ${step.name} ${duration}`;
  return `${paint(mark === '✓' ? 32 : 31, mark)} ${step.name} ${paint(2, duration)}`;
}

function amountOf({ done, total, unit, detail = '' }: OperationEvent & { is: 'progress' }) {
  return { done, total, unit, detail: cleanLine(detail) };
}

/** "12M / 40M (30%)" */
function amount({ done, total, unit }: Step): string {
  if (unit === null) return '';
  const show = unit === 'bytes' ? formatSize : String;
  if (total === null || total <= 0) return show(done);
  return `${show(done)} / ${show(total)} (${Math.min(100, Math.floor((done / total) * 100))}%)`;
}

function paint(code: number, text: string): string {
  return `\u001b[${code}m${text}\u001b[0m`;
}
