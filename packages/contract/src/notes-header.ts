/** What is told beside an answer that is a text: the notes that were made on the way, in a header of their own. */
import { readQuery, writeQuery } from './query.ts';

export const NOTES_HEADER = 'banger-notes';

/** Of all notes together; a head has to stay far below what its reader takes, with nine bytes for each character */
const MAX_CHARACTERS = 4000;

export function writeNotes(notes: readonly string[]): string {
  return writeQuery({ notes: JSON.stringify(shortened(notes)) });
}

/** Nothing for a header that is not there, or not understood: notes are for people. */
export function readNotes(header: string | undefined): string[] {
  try {
    const notes: unknown = JSON.parse(readQuery(header ?? '').notes ?? '');
    return Array.isArray(notes) ? notes.filter((note) => typeof note === 'string') : [];
  } catch {
    return [];
  }
}

function shortened(notes: readonly string[]): string[] {
  let left = MAX_CHARACTERS;
  return notes.flatMap((note) => {
    const kept = note.slice(0, left);
    left -= kept.length;
    return kept === '' ? [] : [kept === note ? note : `${kept}…`];
  });
}
