/**
 * A page on the whole terminal that is drawn again and again, until q, Ctrl-C or the end of the pages. Whatever ends it, the
 * terminal is as it was.
 */
import { writeSync } from 'node:fs';
import { stdout as openStdout } from './standard-streams.ts';

const ENTER = '\u001b[?1049h\u001b[?25l'; // the other screen, without a cursor
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const ERASE_REST_OF_LINE = '\u001b[K';
const ERASE_BELOW = '\u001b[J';

const ENDING_KEYS = ['q', 'Q', '\u0003']; // Ctrl-C is a key while the terminal is raw
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

type Size = { columns: number; rows: number };

/** Gives the exit code: 0, or that of the signal that ended it. Throws what the pages throw. */
export async function showLive(pages: AsyncIterable<string>): Promise<number> {
  const { stdin } = process;
  const stdout = openStdout(); // where a terminal that goes away is heard of
  const ended = Promise.withResolvers<number>();
  let page = '';
  const draw = () => void stdout.write(drawingOf(page, { columns: stdout.columns || 80, rows: stdout.rows || 24 }));
  const onKeys = (keys: Buffer) => {
    if (ENDING_KEYS.some((key) => keys.includes(key))) ended.resolve(0);
  };
  const signals = Object.entries(SIGNAL_NUMBERS).map(
    ([signal, number]) => [signal, () => ended.resolve(number === 2 ? 0 : 128 + number)] as const,
  );

  process.once('exit', leave); // whatever ends us
  for (const [signal, onSignal] of signals) process.on(signal, onSignal);
  stdout.on('resize', draw);
  if (stdin.isTTY)
    stdin
      .setRawMode(true)
      .on('data', onKeys)
      .on('error', () => {});
  stdout.write(ENTER);
  try {
    return await Promise.race([ended.promise, drawAll()]);
  } finally {
    stdin.off('data', onKeys).pause();
    stdout.off('resize', draw);
    for (const [signal, onSignal] of signals) process.off(signal, onSignal);
    process.off('exit', leave);
    leave();
  }

  async function drawAll(): Promise<number> {
    for await (page of pages) draw();
    return 0;
  }

  /** At once: what is still to be written asynchronously would be lost at an exit. */
  function leave(): void {
    try {
      if (stdin.isTTY) stdin.setRawMode(false);
      writeSync(1, LEAVE);
    } catch {
      // the terminal is gone
    }
  }
}

/** What is longer than the terminal is wide is cut, and so is what does not fit below. */
export function drawingOf(page: string, { columns, rows }: Size): string {
  const lines = page.split('\n').slice(0, -1);
  const shown = lines.length > rows ? [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more`] : lines;
  // Erased before it is written: after a line of full width many terminals would erase its last character.
  const drawn = shown.map((line, at) => {
    const erase = at === shown.length - 1 ? ERASE_BELOW : ERASE_REST_OF_LINE;
    return `${erase}${line.slice(0, columns)}`;
  });
  return `${HOME}${drawn.join('\r\n')}`;
}
