/** What an image or a kernel is, whatever it is called: the SHA-256 of its files, and of what else it says. */
import type { Branded } from './names.ts';

/** "sha256:" and 64 lower-case hex digits */
export type Digest = Branded<'Digest'>;

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const HEX = /^[0-9a-f]{64}$/;
/** Fewer digits would soon mean two */
const PREFIX = /^(?:sha256:)?([0-9a-f]{8,64})$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Null unless it is 64 hex digits, as a folder's name is. */
export function digestOfHex(hex: string): Digest | null {
  return HEX.test(hex) ? (`sha256:${hex}` as Digest) : null;
}

export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** Whether a user may mean it by this: a digest, or its first eight digits or more. */
export function isMeantBy(digest: Digest, ref: string): boolean {
  const prefix = PREFIX.exec(ref)?.[1];
  return prefix !== undefined && hexOf(digest).startsWith(prefix);
}
