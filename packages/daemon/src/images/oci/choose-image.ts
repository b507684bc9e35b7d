/** Which of several images is meant, and which of its platforms runs here. Plain values: nothing is read. */
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { canonicalRef, tryImageRef } from '@banger/contract/image-ref.ts';
import type { Descriptor } from './documents.ts';
import type { Refuse } from './span.ts';

/** What an image is for, and all that machines run */
const OS = 'linux';
const ARCHITECTURE = 'amd64';

const NAMES = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];
const MAX_TOLD = 10;

/** What an archive or a layout holds, by its names where it has any */
export type Named<Value> = { names: readonly string[]; value: Value };

/** The names that the writer of an index gave to what it names. */
function namesOf({ annotations }: Descriptor): string[] {
  return NAMES.flatMap((key) => annotations?.[key] ?? []);
}

/** Those that `ref` names, or all. Throws what `refuse` makes where there is none of that name. */
export function chooseNamed<Value>(
  images: readonly Named<Value>[],
  ref: string | null,
  refuse: Refuse,
): Named<Value>[] {
  const meant = images.filter(({ names }) => ref === null || names.some((name) => isSame(name, ref)));
  if (meant.length > 0) return meant;
  if (ref === null) throw refuse('It holds no image');
  throw refuse(`There is no "${cleanQuote(ref, 200)}" in it; there is: ${tellNames(images)}`);
}

/** To the letter, or as names that people leave parts of: "alpine" for "docker.io/library/alpine:latest" */
function isSame(name: string, ref: string): boolean {
  const [own, asked] = [tryImageRef(name), tryImageRef(ref)];
  return name === ref || (own !== null && asked !== null && canonicalRef(own) === canonicalRef(asked));
}

export function severalImages(images: readonly Named<unknown>[], refuse: Refuse): Error {
  return refuse(`It holds several images, of which --ref chooses one: ${tellNames(images)}`);
}

/** What the index of a layout has for `ref`: one image, for one platform or for several. */
export function chooseImage(index: readonly Descriptor[], ref: string | null, refuse: Refuse): Descriptor[] {
  const all = index.filter((each) => !isAttestation(each)).map((each) => ({ names: namesOf(each), value: each }));
  const meant = chooseNamed(all, ref, refuse);
  const distinct = new Map(meant.map((image) => [image.value.digest, image]));
  // One image for several platforms has the same name for each, or none.
  const images = new Set(
    Array.from(distinct.values(), ({ names, value }) => names.join() || (value.platform ? '' : value.digest)),
  );
  if (images.size > 1) throw severalImages(meant, refuse);
  return Array.from(distinct.values(), ({ value }) => value);
}

/** What of an index may run here, the best first. Throws what `refuse` makes where nothing does. */
export function choosePlatform(index: readonly Descriptor[], refuse: Refuse): Descriptor[] {
  const images = index.filter((descriptor) => !isAttestation(descriptor));
  const found = images.filter(({ platform }) => !platform || isOurs(platform));
  if (found.length > 0) return found.toSorted((a, b) => rank(a) - rank(b));
  const platforms = new Set(images.map(({ platform }) => cleanQuote(`${platform?.os}/${platform?.architecture}`, 40)));
  const told = [...platforms].slice(0, MAX_TOLD).join(', ') || 'nothing';
  throw refuse(`It has nothing for ${OS}/${ARCHITECTURE}, which is what machines run: it is for ${told}`);
}

/** Plain before a variant of it, and either before one that does not say what it is for */
function rank({ platform }: Descriptor): number {
  if (!platform) return 2;
  return !platform.variant || platform.variant === 'v1' ? 0 : 1;
}

export function isOurs({
  os,
  architecture,
}: {
  os?: string | null | undefined;
  architecture?: string | null | undefined;
}): boolean {
  return os === OS && architecture === ARCHITECTURE;
}

/** What was built how, which stands beside the images that builders push */
function isAttestation({ annotations, platform }: Descriptor): boolean {
  return annotations?.['vnd.docker.reference.type'] === 'attestation-manifest' || platform?.os === 'unknown';
}

function tellNames(images: readonly Named<unknown>[]): string {
  const names = [...new Set(images.flatMap(({ names }) => names))].map((name) => cleanQuote(name, 200));
  if (names.length === 0) return 'none that has a name';
  return names.length <= MAX_TOLD ? names.join(', ') : `${names.slice(0, MAX_TOLD).join(', ')} and others`;
}
