/**
 * What the command hands to a daemon that it starts, besides the environment: one document on its standard input, which
 * no other process can read afterwards.
 */

/**
 * V8 gives a program that makes much garbage an ever larger young memory, and keeps it. The daemon lives long and keeps
 * little: with a small one, in MiB, it stays where it is after hundreds of vms, instead of growing by half.
 */
export const DAEMON_MEMORY = '--max-semi-space-size=4';

/** Says that it is the system's, which starts machines at boot */
export const AT_BOOT = '--at-boot';

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
