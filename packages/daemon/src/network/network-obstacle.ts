/** Why vms have no network here. The same answer for a start, which goes on without one, and for the doctor. */
import { access, constants, readFile } from 'node:fs/promises';
import { ProcessFailure, runProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';
import { inNamespace, type NetworkTools } from './network-command.ts';

export const HOST = {
  tunDevice: '/dev/net/tun',
  routesPath: '/proc/net/route',
  resolversPath: '/etc/resolv.conf',
};

/** Where the host says what it has; tests say otherwise */
export type HostNetwork = typeof HOST;

/** What can be seen without trying, in words; null when nothing is in the way. */
export async function seeObstacle({ tunDevice, routesPath }: HostNetwork): Promise<string | null> {
  try {
    // Debian lets everyone open it; a container or a strict host may not, and then there is no namespace to isolate in.
    await access(tunDevice, constants.R_OK | constants.W_OK);
  } catch {
    return `${tunDevice} cannot be opened (on Debian it has mode 0666)`;
  }
  const routes = await readFile(routesPath, 'utf8');
  return hasDefaultRoute(routes) ? null : 'the host has no default route';
}

/** Makes a namespace as that of a vm, and leaves it. Throws TOOL_MISSING, or CANCELLED. */
export async function tryNamespace(task: Task, tools: NetworkTools): Promise<string | null> {
  try {
    await runProcess(task, inNamespace(tools, ['/usr/bin/true']));
    return null;
  } catch (fault) {
    if (!(fault instanceof ProcessFailure)) throw fault;
    const said = lastWords(fault.stderr);
    return `this host makes no network namespace for it${said ? ` (${said})` : ''}`;
  }
}

/** Of what pasta and passt print, without the complaint that there is no system logger, which is no reason. */
export function lastWords(printed: string, lines = 1): string {
  return printed
    .trim()
    .split('\n')
    .filter((line) => !/ to syslog$/.test(line))
    .slice(-lines)
    .join('\n');
}

/** `routes` is /proc/net/route: interface, destination and so on, in hexadecimal, one route a line. */
function hasDefaultRoute(routes: string): boolean {
  return routes.split('\n').some((line) => /^\S+\t00000000\t[0-9A-F]{8}\t\S+\t\S+\t\S+\t\S+\t00000000\t/.test(line));
}
