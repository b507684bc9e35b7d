/**
 * User-mode network: for each running vm a passt between QEMU's network device and the host's own sockets.
 *
 * No root, no interface and no firewall rule on the host. The guest gets out by TCP, UDP and ping, asks the host's own
 * resolvers for names, and gets no way to what listens on the host's loopback only. It ends by itself when its machine
 * does.
 */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BangerError, wordsOf } from '@banger/contract/errors.ts';
import type { InterfaceConfig } from '@banger/contract/guest/messages.ts';
import { checkSocketPath } from '@banger/contract/paths.ts';
import { diskFull } from '../platform/disk-full.ts';
import { freeBytes } from '../platform/files.ts';
import { type Bounds, HOST_SCOPES, type Scopes } from '../platform/scope.ts';
import { findStarted, killStarted } from '../platform/started.ts';
import type { Task } from '../platform/task.ts';
import { watchForContent } from '../platform/unix-sockets.ts';
import { forgetHeld, startHeld } from './held.ts';
import { type NetworkTools, networkCommand, USER_NETWORK } from './network-command.ts';
import { HOST, type HostNetwork, lastWords, seeObstacle, tryNamespace } from './network-obstacle.ts';
import { closedNetworks, type UserReach } from './reach.ts';
import { readSearchDomains } from './search-domains.ts';

/** To find out why it did not start */
const TRIAL_LIMIT_MS = 30_000;
/**
 * Of passt and what is around it: mostly what waits in sockets, some MiB for each busy connection, and of those a healthy guest
 * has hundreds.
 */
const MEMORY_BYTES = 4 * 2 ** 30;
/** Besides those of the host's ports: programs, and for each name that is asked */
const OWN_PROCESSES = 256;
/** At most 128 connections at once, with two threads each */
const PROCESSES_OF_PORT = 2 * 128 + 1;
/** A little more than its log takes; it says nothing where it cannot write that it is ready */
const NEEDED_BYTES = 64 * 1024;

export type UserLink = { socketPath: string; network: InterfaceConfig };

type UserNetworkParts = NetworkTools & { host?: HostNetwork; scopes?: Scopes };

export type UserNetwork = ReturnType<typeof createUserNetwork>;

export function createUserNetwork({ host = HOST, scopes = HOST_SCOPES, ...tools }: UserNetworkParts) {
  return { connect, hasEnded, release };

  /**
   * Ready for QEMU to connect, or null with a note where the host has no network to share or no way to keep its loopback
   * apart. Throws TOOL_MISSING, NETWORK_FAILED, DISK_FULL or PATH_TOO_LONG; nothing is left then.
   */
  async function connect(task: Task, runtimeFolder: string, reach: UserReach): Promise<UserLink | null> {
    const obstacle = (await seeObstacle(host)) ?? (await start(task, runtimeFolder, reach));
    if (obstacle === null) {
      const search = await readSearchDomains(host.resolversPath);
      return { socketPath: filesOf(runtimeFolder).socket, network: { ...USER_NETWORK, search } };
    }
    task.note(`The machine has no network: ${obstacle}.`);
    return null;
  }

  /** Null, or why this host has none for vms. */
  async function start(task: Task, runtimeFolder: string, reach: UserReach): Promise<string | null> {
    const files = filesOf(runtimeFolder);
    checkSocketPath(files.socket);
    await Promise.all(Object.values(files).map((path) => rm(path, { force: true }))); // of an earlier run
    const { resolversPath: resolvers } = host;
    const plan = { ...files, resolvers, closed: closedNetworks(reach), hostPorts: reach.hostPorts };
    // Not its socket, which is there before passt isolates itself. A host may refuse that: passt would take QEMU's
    // connection, and end.
    const watch = watchForContent(files.pid);
    try {
      await startHeld(task, networkCommand(tools, plan), {
        ...{ runtimeFolder, logPath: files.output, bounds: boundsOf(reach), scopes },
        untilReady: () => watch.appeared.then(() => true),
      });
      return null;
    } catch (fault) {
      await release(runtimeFolder);
      task.check();
      if (fault instanceof BangerError) throw fault;
      const free = await freeBytes(runtimeFolder);
      if (free < NEEDED_BYTES) throw diskFull(runtimeFolder, NEEDED_BYTES, free, fault);
      const obstacle = await tryNamespace(task.within(TRIAL_LIMIT_MS), tools);
      if (obstacle) return obstacle;
      throw await startFailure([files.output, files.log], fault);
    } finally {
      watch.stop();
    }
  }

  /** Whether this run had a network, and has none any more. */
  function hasEnded(runtimeFolder: string): boolean {
    const { pid, log } = filesOf(runtimeFolder);
    return existsSync(pid) && findStarted(runtimeFolder, log).length === 0;
  }

  /** Ends what is left of this run's network. Safe to repeat, also for a run that an earlier daemon began. */
  async function release(runtimeFolder: string): Promise<void> {
    const { pid, log } = filesOf(runtimeFolder);
    await killStarted(runtimeFolder, log);
    await rm(pid, { force: true });
    await forgetHeld(runtimeFolder);
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

function boundsOf({ hostPorts }: UserReach): Bounds {
  return { memoryBytes: MEMORY_BYTES, processes: OWN_PROCESSES + hostPorts.length * PROCESSES_OF_PORT };
}

async function startFailure(paths: string[], cause: unknown): Promise<BangerError> {
  const printed = await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '')));
  const lastLines = lastWords(printed.join(''), 5);
  return new BangerError('NETWORK_FAILED', {
    message: `The network could not be set up: passt ${wordsOf(cause)}${lastLines ? `: ${lastLines}` : '.'}`,
    hint: 'Run "banger doctor", which tries the network of vms by itself.',
    cause,
  });
}
