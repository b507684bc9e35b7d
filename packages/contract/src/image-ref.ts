/**
 * A name of an image in a registry, as people type it: `alpine`, `ghcr.io/org/app:tag`, `host:5000/x@sha256:…`.
 *
 * Its first part is a registry where it has a dot or a port, or is "localhost"; else all of it is of Docker Hub, where what
 * has one part alone is of "library". Without a tag and a digest it means the tag "latest". The familiar text is what banger
 * shows and keeps, the canonical one is what a registry is asked for; each parses to the same reference again.
 */
import { cleanQuote } from './clean-text.ts';
import { type Digest, isDigest } from './digest.ts';
import { BangerError } from './errors.ts';
import { isCatalogName } from './names.ts';

export type ImageRef = {
  /** A host, with its port where it has one */
  registry: string;
  repository: string;
  /** Null only where there is a digest */
  tag: string | null;
  /** Of the manifest, or of the index of manifests. It counts more than the tag. */
  digest: Digest | null;
};

const HUB = 'docker.io';
const HUB_TOO = 'index.docker.io';
const OFFICIAL = 'library/';
const DEFAULT_TAG = 'latest';

const MAX_TEXT = 1024;
const MAX_REPOSITORY = 255;
const MAX_HOST = 253;
const HOST_LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const HOST = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[0-9a-f:]{2,39}\\])$`);
const REPOSITORY_PART = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const SCHEME = /^(?:[a-z][a-z0-9+.-]*:)?\/\//i;
/** Of an image that is here, rather than in a registry */
const LOCAL_DIGEST = /^sha256:/;

/** Throws BAD_NAME, with a hint at what was meant. */
export function parseImageRef(text: string): ImageRef {
  if (text.length > MAX_TEXT) throw notAName(text, `A name has at most ${MAX_TEXT} characters.`);
  if (LOCAL_DIGEST.test(text)) {
    throw notAName(
      text,
      'A digest alone names an image that is here; in a registry it follows a name: "alpine@sha256:…".',
    );
  }
  if (SCHEME.test(text)) throw notAName(text, hintAtRepository(text));
  const { digest, rest } = takeDigest(text);
  const { tag, name } = takeTag(text, rest);
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isRegistry = /[.:[]/.test(first) || first.toLowerCase() === 'localhost';
  const registry = isRegistry ? readRegistry(text, first.toLowerCase()) : HUB;
  const path = isRegistry ? name.slice(slash + 1) : name;
  checkRepository(text, path);
  const repository = registry === HUB && !path.includes('/') ? OFFICIAL + path : path;
  return { registry, repository, tag: tag ?? (digest === null ? DEFAULT_TAG : null), digest };
}

/** "docker.io/library/alpine:latest" */
export function canonicalRef({ registry, repository, tag, digest }: ImageRef): string {
  return `${registry}/${repository}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;
}

/** "alpine:latest" */
export function familiarRef(ref: ImageRef): string {
  const whole = canonicalRef(ref);
  const short = whole.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, '');
  // A repository of Docker Hub may look like a registry: "docker.io/my.org/app".
  return short !== whole && isSame(short, whole) ? short : whole;
}

/** Throws BAD_NAME for what is not the name of a registry as it stands in references: "host:5000". */
export function parseRegistry(text: string): string {
  if (tryImageRef(`${text}/x`)?.registry === text) return text;
  throw notAName(text, 'A registry is a host, with its port where it has one: "registry.example:5000".', 'a registry');
}

/** Without tag and digest, as a user says which images are meant: "ghcr.io/org/app" */
export function repositoryOf({ registry, repository }: ImageRef): string {
  return `${registry}/${repository}`;
}

/** Whether a record of an image may be called so: by a plain name, or by the familiar text of a reference. */
export function isImageName(text: string): boolean {
  if (isCatalogName(text)) return true;
  const ref = tryImageRef(text);
  return ref !== null && familiarRef(ref) === text;
}

/** Null for what is none, such as a plain name with capital letters. */
export function tryImageRef(text: string): ImageRef | null {
  try {
    return parseImageRef(text);
  } catch {
    return null;
  }
}

/** What an image may be chosen by: a plain name, a reference, or a digest or its beginning. Throws BAD_NAME. */
export function checkImageChoice(text: string): string {
  if (!isCatalogName(text) && !LOCAL_DIGEST.test(text)) parseImageRef(text);
  return text;
}

function takeDigest(text: string): { digest: Digest | null; rest: string } {
  const at = text.indexOf('@');
  if (at < 0) return { digest: null, rest: text };
  const digest = text.slice(at + 1);
  if (isDigest(digest)) return { digest, rest: text.slice(0, at) };
  const isOther = /^sha(?:384|512):/.test(digest);
  throw notAName(
    text,
    isOther
      ? 'Of digests banger takes "sha256:" only, with 64 hex digits.'
      : 'After "@" comes a whole digest, "sha256:" with 64 lower-case hex digits. Passwords are for the file of credentials.',
  );
}

function takeTag(text: string, rest: string): { tag: string | null; name: string } {
  const colon = rest.lastIndexOf(':');
  if (colon < 0 || rest.includes('/', colon)) return { tag: null, name: rest };
  const [name, tag] = [rest.slice(0, colon), rest.slice(colon + 1)];
  if (TAG.test(tag)) return { tag, name };
  throw notAName(
    text,
    `After the last colon comes a tag, of 1 to 128 letters, digits, dots, underscores and hyphens, such as "${quote(name) || 'alpine'}:latest".`,
  );
}

function readRegistry(text: string, given: string): string {
  const [, host = '', port = null] = /^(.*?)(?::(\d*))?$/s.exec(given) ?? [];
  if (host.length > MAX_HOST || !HOST.test(host))
    throw notAName(text, `"${quote(given)}" is not the name of a registry.`);
  if (port !== null && !(Number(port) >= 1 && Number(port) <= 65_535 && /^[1-9]\d*$/.test(port))) {
    throw notAName(text, `A registry's port is a number from 1 to 65535: "${quote(host)}:5000".`);
  }
  return given === HUB_TOO ? HUB : given;
}

function checkRepository(text: string, path: string): void {
  if (path.length > MAX_REPOSITORY)
    throw notAName(text, `What a registry has is called by at most ${MAX_REPOSITORY} characters.`);
  if (path.split('/').every((part) => REPOSITORY_PART.test(part))) return;
  const isHostAlone = path === '' && text.length > 1;
  throw notAName(
    text,
    isHostAlone ? `After the registry comes the name of an image: "${quote(text)}org/app".` : hintAtRepository(text),
  );
}

function hintAtRepository(text: string): string {
  const plain = text.trim().replace(SCHEME, '').replace(/\/+$/, '');
  const found = [plain, plain.toLowerCase()].find((each) => each !== text && tryImageRef(each) !== null);
  if (found !== undefined) return `Did you mean "${quote(found)}"?`;
  return 'Names are made of lower-case letters and digits, with single dots, underscores or hyphens between them, in parts with slashes between: "ghcr.io/org/app:1.2".';
}

function notAName(text: string, hint: string, what = 'an image'): BangerError {
  return new BangerError('BAD_NAME', { message: `"${quote(text)}" is not a name of ${what}.`, hint });
}

/** People paste addresses with passwords in them. */
function quote(text: string): string {
  return cleanQuote(text.slice(0, MAX_TEXT).replace(/[^\s/@]*:[^\s@]*@(?!sha256:)/g, '…@'), 120);
}

function isSame(text: string, canonical: string): boolean {
  const ref = tryImageRef(text);
  return ref !== null && canonicalRef(ref) === canonical;
}
