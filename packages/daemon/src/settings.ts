/** What the daemon is told from outside, as one value; main.ts makes it from the environment. */
import type { BangerPaths } from '@banger/contract/paths.ts';

/** Where the root helper listens, as packaging/systemd says */
export const ROOT_SOCKET = '/run/banger-root.sock';

export type Settings = {
  paths: BangerPaths;
  /** The owner's home folder */
  home: string;
  socketPath: string;
  /** The static guest agent, the program that holds a vm's network, and the catalogs, as they come with this banger */
  agentPath: string;
  linkPath: string;
  catalogFolder: string;
  /** ROOT_SOCKET, except in a test */
  rootSocket: string;
  tools: { qemu: string; firecracker: string; passt: string; pasta: string };
  /** Sockets that systemd opened for this daemon, on which names are asked */
  namesSockets: readonly number[];
  /** "/dev/kvm", except in a test */
  kvmDevice: string;
  /** What a hypervisor of a test's sees of this host, and may change, besides what its machine is made of */
  hypervisorSees: readonly string[];
  /** By what the owner's own git would find its config: HOME, XDG_CONFIG_HOME */
  ownerEnv: Record<string, string>;
  /** The variables by which programs find the owner's proxies, for apt and for vms that ask: they may hold a password */
  proxies: Record<string, string>;
  /** passt gives up root by itself when it is told to */
  isRoot: boolean;
  bootTimeoutMs: number;
  /** Where the files of the host are that vms may get, such as its certificates: "/", except in a test */
  hostRoot: string;
  /** The command `banger`, for programs that call it to reach a vm */
  commandPath: string;
};

/** What a vm's network is made with. */
export function networkTools({ tools, linkPath, isRoot }: Settings) {
  return { linkPath, passtPath: tools.passt, pastaPath: tools.pasta, isRoot };
}
