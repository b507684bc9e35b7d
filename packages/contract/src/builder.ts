/** The name of the machine that builds images, and of the image in the catalog that it is made from */
export const BUILDER = 'image-builder';

/** A vm of that name which somebody made from another image is theirs. */
export function isBuilder({ name, imageName }: { name: string; imageName: string }): boolean {
  return name === BUILDER && imageName === BUILDER;
}
