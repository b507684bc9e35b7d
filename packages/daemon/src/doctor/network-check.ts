/** Whether vms get a network: without one they start, and say so. */
import { existsSync } from 'node:fs';
import type { Check } from '@banger/contract/api/doctor.ts';
import { findNetworkObstacle } from '../network/passt.ts';
import { pass, warn } from './check.ts';

export async function checkNetwork(): Promise<Check[]> {
  const obstacle = await findNetworkObstacle();
  if (obstacle === null) return [pass('network', '/dev/net/tun opens and there is a default route')];
  return [warn('network', `vms have no network: ${obstacle}`, fixFor(obstacle))];
}

function fixFor(obstacle: string): string | null {
  if (!obstacle.includes('tun')) return null; // which network to join is for the user to say
  return existsSync('/dev/net/tun') ? 'sudo chmod 0666 /dev/net/tun' : 'sudo modprobe tun';
}
