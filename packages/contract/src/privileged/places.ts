/** Where machines with an address of their own are. Every address follows from the number of a subnet and of a lease. */
import { z } from 'zod';
import type { Limits } from '../limits.ts';

/**
 * The networks that machines may be in, of 20 bits each, by their numbers. None is where Docker or VPNs take theirs. A number
 * is never given another meaning: leases are kept.
 */
export const SUBNETS = [
  '10.213.64.0',
  '10.147.112.0',
  '10.57.160.0',
  '10.241.32.0',
  '10.119.208.0',
  '192.168.144.0',
  '192.168.208.0',
  '192.168.176.0',
  '192.168.112.0',
  '198.18.64.0',
  '198.19.192.0',
  '198.19.32.0',
] as const;
export const SUBNET_BITS = 20;

/** A machine's place in its subnet */
export const LEASES = { min: 16, max: 4094 } as const satisfies Limits;

export const placeSchema = z.object({
  subnet: z
    .int()
    .min(0)
    .max(SUBNETS.length - 1),
  lease: z.int().min(LEASES.min).max(LEASES.max),
});

/** Where one machine is: what it is given, and keeps */
export type Place = z.infer<typeof placeSchema>;

/** Of the gateway, on every tap alike */
export const GATEWAY_MAC = '02:62:67:72:00:01';

const GATEWAY = 1;
const NAMES = 2;

export function addressOf({ subnet, lease }: Place): string {
  return at(subnet, lease);
}

/** What machines send to, and what the host's own packets to them come from */
export function gatewayOf(subnet: number): string {
  return at(subnet, GATEWAY);
}

/** Where the daemon answers for names */
export function namesOf(subnet: number): string {
  return at(subnet, NAMES);
}

/** The device of a vm; its id is checked by now. */
export function tapOf(vm: string): string {
  return `bgr${vm}`;
}

/** An offset below 4096 changes the last two bytes alone. */
function at(subnet: number, offset: number): string {
  const network = SUBNETS[subnet];
  if (network === undefined) throw new Error(`there is no subnet ${subnet}`);
  const [a, b, c = 0, d = 0] = network.split('.').map(Number);
  return [a, b, c + (offset >> 8), d + (offset & 255)].join('.');
}
