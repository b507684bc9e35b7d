/** What keeps a driver from running vms on this host, told for its program and for KVM alike. */
import { BangerError } from '@banger/contract/errors.ts';
import type { Obstacle } from './hypervisor.ts';

/** Runs what asks the program for its version; null when it answers as it should. */
export async function findProgramObstacle(ask: () => Promise<unknown>, hint: string): Promise<Obstacle | null> {
  try {
    await ask();
    return null;
  } catch (fault) {
    if (!(fault instanceof BangerError) || fault.code === 'CANCELLED') throw fault;
    return { why: fault.message.replace(/\.$/, ''), hint };
  }
}
