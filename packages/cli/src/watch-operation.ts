/** Follow an operation: show how it goes, let Ctrl-C cancel it, give its result. */
import type { OperationEvent } from '@banger/contract/api/operations.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { OperationStream } from '@banger/sdk/operation-stream.ts';
import type { Cli } from './cli.ts';
import { INTERRUPTS } from './interrupts.ts';
import { createProgress, type Progress } from './output/progress.ts';
import { complain, stderr } from './output/standard-streams.ts';

type WatchOptions = {
  /** Leave nothing of the live view behind */
  isBrief?: boolean;
  /** Said before each line, when several operations go on at once */
  prefix?: string;
  onEvent?: (event: OperationEvent) => void;
};

/** Give up at once; the daemon finishes or undoes the rest by itself. */
const EXIT_INTERRUPTED = 130;
/** One for each operation that is watched at the moment */
const interrupts = new Set<() => void>();

export async function watchOperation<Result>(
  cli: Cli,
  operation: OperationStream<Result>,
  { isBrief = false, prefix, onEvent = () => {} }: WatchOptions = {},
): Promise<Result> {
  const progress = createProgressFor(cli, isBrief, prefix);
  let isInterrupted = false;
  const interrupt = () => {
    if (isInterrupted) {
      progress.end();
      process.exit(EXIT_INTERRUPTED);
    }
    isInterrupted = true;
    progress.note('Cancelling and undoing; a second Ctrl-C leaves at once.');
    operation.cancel().catch(() => {}); // it ended in this moment: its last event tells
  };
  hearInterrupts(interrupt);
  try {
    const result = await operation.result((event) => {
      progress.onEvent(event);
      onEvent(event);
    });
    if (isInterrupted) throw tooLate();
    return result;
  } finally {
    progress.end();
    interrupts.delete(interrupt);
    if (interrupts.size === 0) for (const signal of INTERRUPTS) process.off(signal, interruptAll);
  }
}

/** With the notes in what it gives, which nobody has seen who asked for JSON. */
export async function watchNoting<Result extends object>(
  cli: Cli,
  operation: OperationStream<Result>,
): Promise<Result & { notes: string[] }> {
  const notes: string[] = [];
  const onEvent = (event: OperationEvent) => void (event.is === 'note' && notes.push(event.text));
  return { ...(await watchOperation(cli, operation, { onEvent })), notes };
}

function hearInterrupts(interrupt: () => void): void {
  if (interrupts.size === 0) for (const signal of INTERRUPTS) process.on(signal, interruptAll);
  interrupts.add(interrupt);
}

function interruptAll(): void {
  for (const interrupt of interrupts) interrupt();
}

function createProgressFor({ terminal, isQuiet }: Cli, isBrief: boolean, prefix?: string): Progress {
  return createProgress({
    // Several at once would redraw one another's line
    view: isQuiet ? 'none' : terminal.isLive && prefix === undefined ? 'live' : 'plain',
    hasColour: terminal.hasColour,
    isBrief,
    ...(prefix !== undefined && { prefix }),
    write: complain,
    now: Date.now,
    columns: () => stderr().columns ?? 80,
  });
}

function tooLate(): BangerError {
  return new BangerError('CANCELLED', {
    message: 'You interrupted the work, but it was done before it could be cancelled.',
    hint: 'What you asked for is there; "banger vm ls" shows it.',
  });
}
