/** Which address a machine gets, from what the host's routes leave free. Plain values in, a place out. */
import { addressOf, LEASES, type Place } from '@banger/contract/privileged/places.ts';

type HostSubnets = readonly { subnet: number; claimedBy: string | null }[];

/** One in which there are machines already goes before the others. Null when routes of the host have them all. */
export function chooseSubnet(subnets: HostSubnets, kept: readonly Place[]): number | null {
  const free = subnets.filter(({ claimedBy }) => claimedBy === null).map(({ subnet }) => subnet);
  return free.find((subnet) => kept.some((place) => place.subnet === subnet)) ?? free[0] ?? null;
}

/** The first that nobody keeps, and that no device of the host has. Null when there is none. */
export function freePlace(subnet: number, kept: readonly Place[], addresses: ReadonlySet<string>): Place | null {
  const taken = new Set([...kept.map(addressOf), ...addresses]);
  for (let lease: number = LEASES.min; lease <= LEASES.max; lease++) {
    if (!taken.has(addressOf({ subnet, lease }))) return { subnet, lease };
  }
  return null;
}
