/**
 * What the command hands to a daemon that it starts, besides the environment: one document on its standard input, which
 * no other process can read afterwards.
 */

/** Says that there is one; a daemon that is started by hand has a terminal there. */
export const HANDED_ON_STDIN = '--handed-on-stdin';

export type Handed = {
  /** The variables by which programs find proxies: they may hold a password */
  proxies: Record<string, string>;
};

/** What no banger would write is left out, as is all of a document that is cut off. */
export function parseHanded(text: string): Handed {
  try {
    const { proxies } = JSON.parse(text) as { proxies: Record<string, unknown> };
    const words = Object.entries(proxies).filter(([, value]) => typeof value === 'string');
    return { proxies: Object.fromEntries(words) as Record<string, string> };
  } catch {
    return { proxies: {} };
  }
}
