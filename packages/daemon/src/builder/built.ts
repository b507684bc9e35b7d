/**
 * What images were built from, for those that are built again by themselves whenever that has changed. It lies in the cache:
 * what is lost costs a build, and an image of which nothing is written here is one that somebody named.
 */
import { dirname } from 'node:path';
import { digestSchema } from '@banger/contract/api/images.ts';
import { z } from 'zod';
import { makePrivateFolder, readSmallFile, writeFileDurably } from '../platform/files.ts';

/** A repository has one or two */
const MAX_NOTES = 500;

const notesSchema = z.array(z.object({ name: z.string(), digest: digestSchema, from: digestSchema }));

type Note = z.infer<typeof notesSchema>[number];
type Named = { name: string; digest: string | null };

export function createBuilt(file: string) {
  return { isFrom, has, add };

  function isFrom({ name, digest }: Named, from: string): boolean {
    return read().some((note) => note.name === name && note.digest === digest && note.from === from);
  }

  function has({ name, digest }: Named): boolean {
    return read().some((note) => note.name === name && note.digest === digest);
  }

  /** In place of what was known of that name. */
  async function add(note: Note): Promise<void> {
    const notes = [...read().filter(({ name }) => name !== note.name), note].slice(-MAX_NOTES);
    await makePrivateFolder(dirname(file));
    await writeFileDurably(file, JSON.stringify(notes));
  }

  function read(): Note[] {
    try {
      return notesSchema.parse(JSON.parse(readSmallFile(file)));
    } catch {
      return []; // none was built yet, or it is lost
    }
  }
}
