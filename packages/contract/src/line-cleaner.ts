/** What a program of a guest's prints, as lines for people: cleaned, none longer than is told, and none that is empty. */
import { cleanLine } from './clean-text.ts';

const MAX_LINE = 1000;

export function createLineCleaner(tell: (line: string) => void) {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let rest = '';
  return { add, end };

  function add(bytes: Uint8Array): void {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r?\n|\r/);
    rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) clean(line);
  }

  /** Also what has no newline behind it. */
  function end(): void {
    clean(rest);
    rest = '';
  }

  function clean(line: string): void {
    const text = cleanLine(line.slice(0, MAX_LINE)).trimEnd();
    if (text !== '') tell(text);
  }
}
