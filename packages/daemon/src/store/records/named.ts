/** What the records of images and kernels have in common: each is found by its name. */
import { digestSchema } from '@banger/contract/api/images.ts';
import { isImageName } from '@banger/contract/image-ref.ts';
import { isCatalogName } from '@banger/contract/names.ts';
import { z } from 'zod';
import type { createTable } from '../table.ts';

export const catalogNameSchema = z
  .string()
  .refine((text): boolean => isCatalogName(text), 'it is no name of an image or a kernel');

export const imageNameSchema = z.string().refine(isImageName, 'it is no name of an image');

export const namedFields = {
  name: catalogNameSchema,
  digest: digestSchema,
  source: z.enum(['catalog', 'import']),
  sizeBytes: z.int().min(0),
  createdAt: z.iso.datetime(),
};

export function createNamedRecords<Row extends { name: string }>(table: ReturnType<typeof createTable<Row>>) {
  return {
    list: () => table.list().sort((a, b) => (a.name < b.name ? -1 : 1)),
    find: (name: string) => table.find(name),
    put: table.put,
    remove: (name: string) => {
      const row = table.find(name);
      if (row) table.remove(row);
    },
    damaged: table.damaged,
  };
}
