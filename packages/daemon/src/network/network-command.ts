/** Decides how a vm's user-mode network is started: files and abilities in, a command out. */
import { WITHOUT_ROOT_POWER } from '../platform/user-namespace.ts';

const NAMES = '10.0.2.3';
export const USER_NETWORK = { address: '10.0.2.15', prefix: 24, gateway: '10.0.2.2', dns: [NAMES] };

export type NetworkTools = { linkPath: string; passtPath: string; pastaPath: string; isRoot: boolean };

export type NetworkPlan = {
  socket: string;
  /** Written once it is ready to work */
  pid: string;
  log: string;
  /** The host's list of name servers */
  resolvers: string;
  /** Networks that the guest does not reach */
  closed: readonly string[];
  hostPorts: readonly number[];
};

const MAX_LOG_BYTES = 128 * 1024;
const NOTHING_ANNOUNCED = ['--ipv4-only', '--no-ndp', '--no-ra', '--no-dhcpv6'];

/**
 * passt opens a socket to whatever address the guest sends to. Debian 12's version does so for 127.0.0.1 too: a guest
 * whose root turns its routes around would reach what listens on the host's loopback only, whatever the options say.
 * So passt runs inside a namespace that pasta makes, where the loopback is an empty one, and pasta carries its traffic
 * out: what the namespace's kernel takes for local never gets to pasta. Around both is our own banger-link, which says
 * what else is closed there and answers for names.
 *
 * Options that Debian 12's version (March 2023) and the newest both have.
 */
export function networkCommand(tools: NetworkTools, plan: NetworkPlan): string[] {
  const link = [
    ...['--names', NAMES, '--host', USER_NETWORK.gateway, '--resolvers', plan.resolvers],
    ...plan.closed.flatMap((network) => ['--closed', network]),
    ...plan.hostPorts.flatMap((port) => ['--host-port', String(port)]),
    '--',
  ];
  // Where AppArmor confines pasta, it may start what is in /usr/bin and nothing else; env may start anything.
  const inside = ['/usr/bin/env', tools.linkPath, 'inside', ...link, ...passt(tools, plan)];
  return [tools.linkPath, 'outside', ...link, ...inNamespace(tools, inside)];
}

/** Runs `program` in a namespace with the host's way out, and ends with it. */
export function inNamespace({ pastaPath, isRoot }: NetworkTools, program: string[]): string[] {
  return [
    ...(isRoot ? WITHOUT_ROOT_POWER : []),
    pastaPath,
    ...['--foreground', '--quiet', '--config-net', '--no-dhcp', ...NOTHING_ANNOUNCED],
    // No ports either way: from the host's loopback into the namespace, or from the namespace's to the host's.
    ...['--tcp-ports', 'none', '--udp-ports', 'none', '--tcp-ns', 'none', '--udp-ns', 'none'],
    // Otherwise the gateway's address leads to the host's loopback.
    '--no-map-gw',
    // By itself it makes a user namespace in which root becomes "nobody", who cannot reach the folder of the socket.
    ...(isRoot ? ['--netns-only', '--runas', '0'] : []),
    '--',
    ...program,
  ];
}

function passt({ passtPath }: NetworkTools, { socket, pid, log }: NetworkPlan): string[] {
  const { address, prefix, gateway } = USER_NETWORK;
  return [
    passtPath,
    // In the foreground: versions differ in whether they go to the background by themselves.
    ...['--foreground', '--one-off', '--quiet', '--socket', socket, '--pid', pid],
    ...['--log-file', log, '--log-size', String(MAX_LOG_BYTES)],
    ...['--address', address, '--netmask', String(prefix), '--gateway', gateway, '--no-map-gw', ...NOTHING_ANNOUNCED],
    // passt as root becomes another user, and in a user namespace everyone is root.
    ...['--runas', '0'],
  ];
}
