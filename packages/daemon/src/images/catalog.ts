/** The images that banger knows by name: catalog/images.json. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const catalogSchema = z.strictObject({
  images: z.array(
    z.strictObject({
      name: z.string(),
      default: z.boolean().default(false),
      description: z.string(),
      recipe: z.strictObject({ is: z.literal('mmdebstrap'), packages: z.array(z.string()) }),
    }),
  ),
});

export type ImageCatalogEntry = z.infer<typeof catalogSchema>['images'][number];

export function readImageCatalog(path: string): ImageCatalogEntry[] {
  return catalogSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).images;
}
