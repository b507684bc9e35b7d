/**
 * A tar that holds an image rather than a root filesystem: an OCI layout, or what `docker save` writes. It is not
 * unpacked: where each file lies in it is all that is remembered, and blobs are read in their place.
 */
import { posix } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { hexOf } from '@banger/contract/digest.ts';
import { readTar } from '@banger/contract/tar/read-tar.ts';
import type { Task } from '../../platform/task.ts';
import { chooseNamed, severalImages } from './choose-image.ts';
import { readDocument, savedSchema } from './documents.ts';
import { type OciImage, openConfig, openIndex } from './open-layout.ts';
import { openSpan, type Refuse, type Span } from './span.ts';

/** An image has a thousand layers at most, and of each there may be a few files */
const MAX_FILES = 20_000;
const MAX_LINKS = 5;

type Member = Span | { link: string };

/** Null for a tar that holds no image. Throws what `refuse` makes of one that cannot be read. */
export async function openArchive(
  task: Task,
  archive: Span,
  ref: string | null,
  refuse: Refuse,
): Promise<OciImage | null> {
  const members = await findMembers(task, archive, refuse);
  const find = (name: string) => lookUp(members, name);
  const index = find('index.json');
  if (index && find('oci-layout')) {
    return openIndex(index, { find: async (digest) => find(`blobs/sha256/${hexOf(digest)}`), refuse, ref });
  }
  const saved = find('manifest.json');
  return saved && openSaved(saved, { find, refuse, ref });
}

type Saved = { find: (name: string) => Span | null; refuse: Refuse; ref: string | null };

async function openSaved(saved: Span, { find, refuse, ref }: Saved): Promise<OciImage> {
  const images = await readDocument(saved, { what: 'Its manifest.json', schema: savedSchema, digest: null }, refuse);
  const meant = chooseNamed(
    images.map((value) => ({ names: value.RepoTags ?? [], value })),
    ref,
    refuse,
  );
  if (new Set(meant.map(({ value }) => value.Config)).size > 1) throw severalImages(meant, refuse);
  const [{ value: image }] = meant as [(typeof meant)[number]];
  const spanOf = (name: string) => {
    const span = find(name);
    if (span === null) throw refuse(`Its file ${JSON.stringify(name)} is missing`);
    return span;
  };
  const blobs = image.Layers.map((name) => ({ span: spanOf(name), digest: null }));
  return openConfig(spanOf(image.Config), { digest: null, blobs, refuse });
}

/** Where the files of the archive lie in it. */
async function findMembers(task: Task, archive: Span, refuse: Refuse): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  const foreign = (what: string) => refuse(`The archive cannot be read: it has ${what}`);
  const bytes = addAbortSignal(task.signal, await openSpan(archive, refuse));
  for await (const { name, type, target, contentAt, storedBytes, sizeBytes } of readTar(bytes, { foreign })) {
    const clean = posix.normalize(name);
    if (type === 'file' && storedBytes === sizeBytes)
      members.set(clean, { ...archive, at: contentAt, bytes: sizeBytes });
    else if (type === 'symlink') members.set(clean, { link: posix.join(posix.dirname(clean), target) });
    else if (type === 'hardlink') members.set(clean, { link: posix.normalize(target) });
    if (members.size > MAX_FILES) break;
  }
  return members;
}

/** Docker writes a layer that several images have once, and links to it. */
function lookUp(members: Map<string, Member>, name: string): Span | null {
  let member = members.get(posix.normalize(name));
  for (let links = 0; member && 'link' in member && links < MAX_LINKS; links++) member = members.get(member.link);
  return member && !('link' in member) ? member : null;
}
