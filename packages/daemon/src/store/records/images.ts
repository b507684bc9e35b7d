/** Which name stands for which image. A name can move to a new digest; vms keep the digest that they were made from. */
import type { DatabaseSync } from 'node:sqlite';
import { imageConfigSchema } from '@banger/contract/api/image-config.ts';
import { pulledSchema } from '@banger/contract/api/images.ts';
import { z } from 'zod';
import { createTable } from '../table.ts';
import type { Writes } from '../writes.ts';
import { createNamedRecords, imageNameSchema, namedFields } from './named.ts';

const imageRecordSchema = z.object({
  ...namedFields,
  /** What it says of running it; null where it says nothing, as a root filesystem does */
  config: imageConfigSchema.nullable(),
  name: imageNameSchema,
  source: z.enum(['catalog', 'import', 'registry']),
  pulled: pulledSchema.nullable(),
});

export type ImageRecord = z.infer<typeof imageRecordSchema>;
export type ImageRecords = ReturnType<typeof createImageRecords>;

export function createImageRecords(database: DatabaseSync, writes: Writes) {
  return createNamedRecords(
    createTable<ImageRecord>({
      ...{ database, writes, name: 'images', key: ['name'], schema: imageRecordSchema },
      json: ['config', 'pulled'],
    }),
  );
}
