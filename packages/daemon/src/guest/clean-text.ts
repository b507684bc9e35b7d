/** Words from the guest, on their way to a terminal: no escape sequences, no control characters, one line, bounded. */
import { stripVTControlCharacters } from 'node:util';

const MAX_CHARACTERS = 500;

export function cleanText(text: string): string {
  const plain = stripVTControlCharacters(text.slice(0, 2 * MAX_CHARACTERS));
  return plain
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_CHARACTERS);
}
