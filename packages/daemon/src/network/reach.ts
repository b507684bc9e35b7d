/** What a guest reaches, and what not. docs/security.md has the whole list, and says why. */
import type { Reach } from '@banger/contract/api/vms.ts';

/** What the owner decides about a machine behind this host's own address */
export type UserReach = {
  isPrivateOpen: boolean;
  /** Of the host's loopback; the guest finds them at the gateway's address */
  hostPorts: readonly number[];
};

/** What the owner decides about any machine; `allowed` is for one with an address of its own */
export type OwnersReach = UserReach & { allowed: readonly Reach[] };

type Configured = {
  /** Null where the owner has not said */
  isPrivateOpen: boolean | null;
  hostPorts: readonly number[] | null;
  allow: readonly Reach[] | null;
};

/** Of what the config says for all, and what one vm was made with. */
export function joinReach(
  config: Configured,
  vm: { hostPorts: readonly number[]; allow: readonly Reach[] },
): OwnersReach {
  const said: Reach[] = config.isPrivateOpen === true ? ['private'] : [];
  const allowed = [...new Set([...(config.allow ?? []), ...vm.allow, ...said])];
  return {
    isPrivateOpen: config.isPrivateOpen !== false || allowed.includes('private'),
    allowed,
    hostPorts: [...new Set([...(config.hostPorts ?? []), ...vm.hostPorts])],
  };
}

/** Where clouds give credentials to whoever asks from this host, and what is meant for one link or group only */
const ALWAYS_CLOSED = [
  '169.254.0.0/16', // link-local; the metadata of most clouds is in there
  '100.100.100.200/32', // Alibaba's metadata
  '168.63.129.16/32', // Azure's
  '192.0.0.192/32', // Oracle's
  '224.0.0.0/4', // groups
  '255.255.255.255/32', // everyone on the link
];

/** The networks of homes, companies, providers and VPNs */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'];

/** Besides the host's own addresses, which banger-link follows. */
export function closedNetworks({ isPrivateOpen }: Pick<UserReach, 'isPrivateOpen'>): string[] {
  return isPrivateOpen ? ALWAYS_CLOSED : [...ALWAYS_CLOSED, ...PRIVATE];
}
