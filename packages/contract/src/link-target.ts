/** Where symbolic links of a guest's may lead: nowhere but below the folder that they come to. Pure. */

/** As many as Linux follows */
const MAX_LINKS = 40;

/** The target of the link that lies there already, by its path below the top; null when there is none. */
export type LinkAt = (path: string) => string | null;

/**
 * Whether a link leads out of a tree; `name` is where it lies below the top.
 *
 * `..` may only come first: after another word that word could itself be a link, and then `..` is not where it seems to
 * be. Links that were there before are followed, since they may lead anywhere; new ones are each asked about themselves.
 */
export function leadsOut(
  name: readonly string[],
  target: string,
  linkAt: LinkAt = () => null,
  links: number = MAX_LINKS,
): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0') || links === 0) return true;
  const words = target.split('/').filter((word) => word !== '' && word !== '.');
  const ups = words.findIndex((word) => word !== '..');
  const upCount = ups < 0 ? words.length : ups;
  const down = words.slice(upCount);
  const depth = name.length - 1 - upCount;
  if (depth < 0 || down.includes('..')) return true;
  const folder = name.slice(0, depth);
  for (const [index, word] of down.entries()) {
    const through = [...folder, ...down.slice(0, index), word];
    const next = linkAt(through.join('/'));
    if (next === null) continue;
    return leadsOut(through, [next, ...down.slice(index + 1)].join('/'), linkAt, links - 1);
  }
  return false;
}
