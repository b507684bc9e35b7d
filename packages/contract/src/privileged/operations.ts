/**
 * All that the root helper does for the daemon: ids, numbers and words of a list go in, nothing else. Each operation is safe to
 * repeat, and has its opposite. `host/root/src/operations.rs` has the same words; `vectors/privileged.json` holds both to them.
 */
import { z } from 'zod';
import { REACHES } from '../network-words.ts';
import { LEASES, placeSchema } from './places.ts';

/** A request is one line of JSON, and so is the answer; a connection has one of each. */
export const MAX_PRIVILEGED_REQUEST_BYTES = 65_536;

export const REFUSALS = [
  'NOT_ALLOWED', // not the owner, and not root
  'BAD_REQUEST',
  'TOO_LONG',
  'TOO_SLOW',
  'BUSY',
  'SUBNET_CLAIMED', // the host has a route into it
  'LEASE_TAKEN', // by another machine
  'NOT_OURS', // a device of somebody else has the name
  'IN_USE',
  'MISSING', // a program, or an ability of the kernel
  'FAILED',
] as const;

const vm = z.string().regex(/^[0-9a-f]{12}$/);
const { subnet, lease } = placeSchema.shape;
const reach = z.array(z.enum(REACHES));
const address = z.ipv4();
const resolver = z.enum(['resolved', 'none']);
const nothing = z.strictObject({});

/** Each with what it touches on the host */
export const OPERATIONS = {
  /** The tap `bgr<vm>` with its address and route, and what `apply-policy` touches. Again, it changes what may be reached. */
  attach: {
    input: z.strictObject({ vm, subnet, lease, reach }),
    answer: z.object({ tap: z.string(), address, gateway: address }),
  },
  detach: { input: z.strictObject({ vm }), answer: nothing },

  /** The tables `banger` and `banger_limits`, and a rule in each table of others that may drop what machines send or get */
  'apply-policy': { input: nothing, answer: nothing },
  /** Refused as IN_USE while there is a tap. */
  'withdraw-policy': { input: nothing, answer: nothing },

  /** The dummy device `bgr-names`, and what systemd-resolved knows of it. The addresses of subnets that machines are in stay. */
  'publish-names': { input: z.strictObject({ subnet }), answer: z.object({ address, resolver }) },
  'withdraw-names': { input: nothing, answer: nothing },

  /** Nothing; `names` is where they are asked, `claimedBy` the route of the host that keeps machines out of a subnet. */
  list: {
    input: nothing,
    answer: z.object({
      taps: z.array(z.object({ vm, address: address.nullable(), reach, isHeld: z.boolean() })),
      hasPolicy: z.boolean(),
      acceptedIn: z.array(z.string()),
      names: z.array(address),
      subnets: z.array(z.object({ subnet, claimedBy: z.string().nullable() })),
    }),
  },
  /** Taps of no vm that is known, but not one that a hypervisor holds; with the last tap goes the policy. */
  sweep: {
    input: z.strictObject({ known: z.array(vm).max(LEASES.max - LEASES.min + 1) }),
    answer: z.object({ detached: z.array(vm), held: z.array(vm) }),
  },
  /** Nothing */
  report: {
    input: nothing,
    answer: z.object({
      version: z.string(),
      owner: z.int(),
      isForwarding: z.boolean(),
      hasNft: z.boolean(),
      resolver,
      closedTables: z.array(z.string()),
    }),
  },
} as const;

export type OperationName = keyof typeof OPERATIONS;
export type OperationInput<Name extends OperationName> = z.input<(typeof OPERATIONS)[Name]['input']>;
export type OperationAnswer<Name extends OperationName> = z.output<(typeof OPERATIONS)[Name]['answer']>;
export type RefusalCode = (typeof REFUSALS)[number];

export const refusalSchema = z.object({ code: z.enum(REFUSALS), message: z.string() });
