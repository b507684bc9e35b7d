/** Refuses what the network that a vm asks for by name never gives. */
import type { NetworkChoice, Reach } from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';

type Asked = { network: NetworkChoice; hostPorts: readonly number[]; allow: readonly Reach[] };

/** Throws NETWORK_LIMIT. */
export function checkNetwork({ network, hostPorts, allow }: Asked): void {
  if (hostPorts.length > 0 && (network === 'routed' || network === 'none')) {
    throw limit(network, "ports of the host's loopback (--host-port)", 'user');
  }
  if (network === 'none' && allow.length > 0) throw limit(network, `--allow ${allow.join(', ')}`, 'routed');
  const beyond = allow.filter((each) => each !== 'private');
  if (network === 'user' && beyond.length > 0) throw limit(network, `--allow ${beyond.join(', ')}`, 'routed');
}

function limit(network: NetworkChoice, what: string, other: NetworkChoice): BangerError {
  return new BangerError('NETWORK_LIMIT', {
    message: `The network "${network}" does not give ${what}.`,
    hint: `Leave it out, or take "--network ${other}".`,
    details: { network },
  });
}
