/**
 * Which names a digest has, told by its own folder: records that were lost are made anew from it. A digest without a
 * name says so too, which is how it is told from one whose record was lost.
 */
import { join } from 'node:path';
import { pulledSchema } from '@banger/contract/api/images.ts';
import { isImageName } from '@banger/contract/image-ref.ts';
import { z } from 'zod';
import { readSmallFile, writeWhereChanged } from '../platform/files.ts';

const FILE = 'names.json';
const MAX_NAMES = 1000;

const namesSchema = z.object({
  v: z.literal(1),
  names: z
    .array(
      z.object({
        name: z.string().refine(isImageName),
        source: z.enum(['catalog', 'import', 'registry']),
        createdAt: z.iso.datetime(),
        /** Not there in files of an older version, nor of kernels */
        pulled: pulledSchema.nullable().default(null),
      }),
    )
    .max(MAX_NAMES),
});

export type BaseName = z.input<typeof namesSchema>['names'][number];

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
  const told = names.map(({ name, source, createdAt, pulled }) => ({
    name,
    source,
    createdAt,
    ...(pulled && { pulled }),
  }));
  await writeWhereChanged(join(folder, FILE), `${JSON.stringify({ v: 1, names: told })}\n`);
}
