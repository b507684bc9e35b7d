/** How a vm is connected, and what one with an address of its own may reach. */

/**
 * `routed`: by an address of its own, which the root helper gives; `user`: behind this host's own, without root; `none`: not at
 * all.
 */
const NETWORK_NAMES = ['routed', 'user', 'none'] as const;

/** `auto`: routed where the root helper gives addresses, else user; chosen anew for each run */
export const NETWORK_CHOICES = ['auto', ...NETWORK_NAMES] as const;

/** What a machine may reach besides the internet */
export const REACHES = ['host', 'private', 'link-local', 'metadata', 'machines'] as const;
