/** What the daemon is told from outside, as one value; main.ts makes it from the environment. */
import type { BangerPaths } from '@banger/contract/paths.ts';

export type Settings = {
  paths: BangerPaths;
  socketPath: string;
  /** The static guest agent, and the catalogs, as they come with this banger */
  agentPath: string;
  catalogFolder: string;
  tools: { qemu: string; passt: string; pasta: string };
  /** passt gives up root by itself when it is told to */
  isRoot: boolean;
  bootTimeoutMs: number;
  /** The command `banger`, for programs that call it to reach a vm */
  commandPath: string;
};
