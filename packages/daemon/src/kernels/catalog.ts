/** The kernels that banger knows by name: catalog/kernels.json. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const catalogSchema = z.strictObject({
  kernels: z.array(
    z.strictObject({
      name: z.string(),
      default: z.boolean().default(false),
      description: z.string(),
      /** A Debian package that holds a kernel or depends on the one that does */
      recipe: z.strictObject({ is: z.literal('apt'), package: z.string() }),
    }),
  ),
});

export type KernelCatalogEntry = z.infer<typeof catalogSchema>['kernels'][number];

export function readKernelCatalog(path: string): KernelCatalogEntry[] {
  return catalogSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).kernels;
}
