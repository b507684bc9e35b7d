/**
 * Which names a digest has, told by its own folder: records that were lost are made anew from it. A digest without a
 * name says so too, which is how it is told from one whose record was lost.
 */
import { join } from 'node:path';
import { isCatalogName } from '@banger/contract/names.ts';
import { z } from 'zod';
import { readSmallFile, writeWhereChanged } from '../platform/files.ts';

const FILE = 'names.json';
const MAX_NAMES = 1000;

const namesSchema = z.object({
  v: z.literal(1),
  names: z
    .array(
      z.object({
        name: z.string().refine((text): boolean => isCatalogName(text)),
        source: z.enum(['catalog', 'import']),
        createdAt: z.iso.datetime(),
      }),
    )
    .max(MAX_NAMES),
});

export type BaseName = z.infer<typeof namesSchema>['names'][number];

/** Null when the folder does not say, or says it in a way that is not understood. */
export function readNames(folder: string): BaseName[] | null {
  try {
    return namesSchema.parse(JSON.parse(readSmallFile(join(folder, FILE)))).names;
  } catch {
    return null;
  }
}

/** Durable when it resolves; writes nothing when the folder says so already. */
export async function writeNames(folder: string, names: BaseName[]): Promise<void> {
  const content = `${JSON.stringify({ v: 1, names: names.map(({ name, source, createdAt }) => ({ name, source, createdAt })) })}\n`;
  await writeWhereChanged(join(folder, FILE), content);
}
