/**
 * User-mode network: for each running vm a passt between QEMU's network device and the host's own sockets.
 *
 * No root, no interface and no firewall rule on the host. The guest gets out by TCP, UDP and ping, asks the host's own
 * resolver for names, and gets no way to what listens on the host's loopback only. It ends by itself when its machine
 * does.
 */
import { access, constants, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BangerError } from '@banger/contract/errors.ts';
import type { BootConfig } from '@banger/contract/guest/messages.ts';
import { checkSocketPath } from '@banger/contract/paths.ts';
import { findByArgument, killProcess } from '../platform/processes.ts';
import { type StartedProcess, startProcess } from '../platform/run-process.ts';
import type { Task } from '../platform/task.ts';
import { watchForContent } from '../platform/unix-sockets.ts';
import { networkCommand, USER_NETWORK } from './passt-arguments.ts';

const START_DEADLINE_MS = 30_000;
const HOST = { tunDevice: '/dev/net/tun', routesPath: '/proc/net/route' };

export type UserLink = { socketPath: string; network: NonNullable<BootConfig['network']> };

/** Where the host says what it has; tests say otherwise */
type HostNetwork = { tunDevice: string; routesPath: string };

type UserNetworkParts = { passtPath: string; pastaPath: string; isRoot: boolean; host?: HostNetwork };

export type UserNetwork = ReturnType<typeof createUserNetwork>;

export function createUserNetwork({ host = HOST, ...tools }: UserNetworkParts) {
  return { connect, release };

  /**
   * Ready for QEMU to connect, or null with a note where the host has no network to share or no way to keep its loopback
   * apart. Throws TOOL_MISSING, NETWORK_FAILED or PATH_TOO_LONG; nothing is left then.
   */
  async function connect(task: Task, runtimeFolder: string): Promise<UserLink | null> {
    const obstacle = await findNetworkObstacle(host);
    if (obstacle) {
      task.note(`The machine has no network: ${obstacle}.`);
      return null;
    }
    const files = filesOf(runtimeFolder);
    checkSocketPath(files.socket);
    await Promise.all(Object.values(files).map((path) => rm(path, { force: true }))); // of an earlier run
    const deadline = AbortSignal.timeout(START_DEADLINE_MS);
    // Its socket is there before it has shut itself in, which a host may refuse: it would take QEMU's connection and end.
    const watch = watchForContent(files.pid);
    try {
      const started = await startProcess(networkCommand({ ...tools, ...files }), {
        cwd: runtimeFolder,
        logPath: files.output,
      });
      await task.withSignal(deadline).race(Promise.race([watch.appeared, endOf(started)]));
      return { socketPath: files.socket, network: USER_NETWORK };
    } catch (fault) {
      await release(runtimeFolder);
      task.check();
      if (fault instanceof BangerError && !deadline.aborted) throw fault;
      throw await startFailure([files.output, files.log], deadline.aborted, fault);
    } finally {
      watch.stop();
    }
  }

  /** Ends what is left of this run's network. Safe to repeat, also for a run that an earlier daemon began. */
  async function release(runtimeFolder: string): Promise<void> {
    await Promise.all(findByArgument(filesOf(runtimeFolder).log).map(killProcess));
  }
}

function filesOf(runtimeFolder: string) {
  return {
    socket: join(runtimeFolder, 'network.sock'),
    pid: join(runtimeFolder, 'passt.pid'),
    log: join(runtimeFolder, 'passt.log'),
    output: join(runtimeFolder, 'passt.output'),
  };
}

/** Why vms have no network here, in words; null when they have one. */
export async function findNetworkObstacle({ tunDevice, routesPath }: HostNetwork = HOST): Promise<string | null> {
  try {
    // Debian lets everyone open it; a container or a strict host may not, and then there is no namespace to isolate in.
    await access(tunDevice, constants.R_OK | constants.W_OK);
  } catch {
    return `${tunDevice} cannot be opened (on Debian it has mode 0666)`;
  }
  const routes = await readFile(routesPath, 'utf8');
  return hasDefaultRoute(routes) ? null : 'the host has no default route';
}

/** `routes` is /proc/net/route: interface, destination and so on, in hexadecimal, one route a line. */
function hasDefaultRoute(routes: string): boolean {
  return routes.split('\n').some((line) => /^\S+\t00000000\t[0-9A-F]{8}\t\S+\t\S+\t\S+\t\S+\t00000000\t/.test(line));
}

async function endOf({ exited }: StartedProcess): Promise<never> {
  const { code, signal } = await exited;
  throw new Error(signal ? `it was ended by ${signal}` : `it exited with ${code}`);
}

async function startFailure(paths: string[], isLate: boolean, cause: unknown): Promise<BangerError> {
  const printed = await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '')));
  // It also complains that there is no system logger, which is no reason.
  const lines = printed
    .join('')
    .trim()
    .split('\n')
    .filter((line) => !/ to syslog$/.test(line));
  const lastLines = lines.slice(-5).join('\n');
  const what = isLate ? `was not ready within ${START_DEADLINE_MS / 1000} s` : 'could not set up the network';
  return new BangerError('NETWORK_FAILED', {
    message: `passt ${what}${lastLines ? `: ${lastLines}` : '.'}`,
    hint: 'The host needs an interface with a default route, and has to let you make user namespaces.',
    cause,
  });
}
