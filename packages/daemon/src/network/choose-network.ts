/** Which network a run gets: what the vm wants and what this host gives in, a network out. */
import type { NetworkChoice } from '@banger/contract/api/vms.ts';

/** Of the root helper: not there, somebody else's, or ours, with what keeps machines from the internet, in words */
export type HelperState = { is: 'absent' | 'foreign' } | { is: 'ours'; obstacle: string | null };

type Chosen = { network: 'routed' | 'user' | 'none'; note: string | null };

/** `hostPorts`: those that the vm should reach; only a user network has them. */
export async function chooseNetwork(
  wanted: NetworkChoice,
  hostPorts: readonly number[],
  look: () => Promise<HelperState>,
): Promise<Chosen> {
  if (wanted === 'user' || wanted === 'none') return { network: wanted, note: null };
  if (wanted === 'routed') {
    const helper = await look();
    const obstacle = helper.is === 'ours' ? helper.obstacle : null; // who is not there says so by itself
    return { network: 'routed', note: obstacle && `The machine may not get everywhere: ${obstacle}.` };
  }
  if (hostPorts.length > 0) return { network: 'user', note: null };
  const helper = await look();
  if (helper.is !== 'ours') return { network: 'user', note: null };
  if (helper.obstacle === null) return { network: 'routed', note: null };
  return { network: 'user', note: `The machine gets no address of its own: ${helper.obstacle}.` };
}
