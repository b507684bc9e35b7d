/** Whether vms get a network: without one they start, and say so. */
import { existsSync, readFileSync } from 'node:fs';
import type { Check } from '@banger/contract/api/doctor.ts';
import { HOST, seeObstacle, tryNamespace } from '../network/network-obstacle.ts';
import { Task } from '../platform/task.ts';
import { networkTools, type Settings } from '../settings.ts';
import { pass, warn } from './check.ts';

/** As long as the network of a vm may take to start */
const TRY_LIMIT_MS = 30_000;

export async function checkNetwork(settings: Settings): Promise<Check[]> {
  const limited = Task.background().within(TRY_LIMIT_MS);
  const obstacle = (await seeObstacle(HOST)) ?? (await tryNamespace(limited, networkTools(settings)));
  if (obstacle === null) return [pass('network', 'this host made a network namespace as a vm has one')];
  return [warn('network', `vms have no network: ${obstacle}`, fixFor(obstacle))];
}

function fixFor(obstacle: string): string | null {
  if (/network namespace/.test(obstacle)) return fixForNamespaces();
  if (!obstacle.includes('tun')) return null; // only the user knows which network to join
  return existsSync('/dev/net/tun') ? 'sudo chmod 0666 /dev/net/tun' : 'sudo modprobe tun';
}

/** The two switches that Debian has for user namespaces; another reason is in pasta's own words. */
function fixForNamespaces(): string | null {
  const isZero = (path: string) => existsSync(path) && readFileSync(path, 'utf8').trim() === '0';
  if (isZero('/proc/sys/kernel/unprivileged_userns_clone')) return 'sudo sysctl kernel.unprivileged_userns_clone=1';
  if (isZero('/proc/sys/user/max_user_namespaces')) return 'sudo sysctl user.max_user_namespaces=15000';
  return null;
}
