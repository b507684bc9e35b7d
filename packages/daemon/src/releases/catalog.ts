/** The hypervisors whose programs banger fetches: catalog/hypervisors.json. It names no place to fetch them from. */
import { readFileSync } from 'node:fs';
import { isDigest } from '@banger/contract/digest.ts';
import { z } from 'zod';

const catalogSchema = z.strictObject({
  hypervisors: z.array(
    z.strictObject({
      name: z.string(),
      version: z.string(),
      description: z.string(),
      /** How the program's answer to --version begins */
      says: z.string(),
      release: z.strictObject({
        /** Below the address of the project's releases */
        path: z.string(),
        /** Null where it is not known: whoever pulls has to say it */
        digest: z.string().refine(isDigest).nullable(),
        maxBytes: z.int(),
        /** Its path in the release */
        program: z.string(),
      }),
    }),
  ),
});

export type ReleaseEntry = z.infer<typeof catalogSchema>['hypervisors'][number];

export function readReleaseCatalog(path: string): ReleaseEntry[] {
  return catalogSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).hypervisors;
}
