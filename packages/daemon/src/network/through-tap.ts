/** Decides how a machine whose hypervisor takes only a tap device gets the network of a stream: a command around it. */

export type TapPlan = {
  /** Where passt, or what serves a tap of root's, takes and gives frames; it takes one connection */
  socketPath: string;
  /** What the device will be called, at most 15 bytes */
  device: string;
  /** Written, with a word on why, when that has ended before the machine. Removed by whoever starts it. */
  endedPath: string;
};

/**
 * Makes the device in the network namespace that it is started in, carries frames between it and the socket, and becomes
 * `program`, without any capability. The namespace has to be an empty one, with CAP_NET_ADMIN over it, and with
 * /dev/net/tun. What is wrong before the program runs is one line on standard error and exit code 1.
 */
export function throughTap(linkPath: string, { socketPath, device, endedPath }: TapPlan, program: string[]): string[] {
  return [linkPath, 'tap', '--socket', socketPath, '--tap', device, '--ended', endedPath, '--', ...program];
}
