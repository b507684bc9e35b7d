/** JSON messages between daemon and agent. What comes from the guest is bounded here and believed nowhere else. */
import { z } from 'zod';
import { type ExecExit, isExit, isSessionId } from './command-messages.ts';

export const AGENT_PROTOCOL_VERSION = 1;

/** The last moment that a Date can tell */
const MAX_DATE_MS = 8.64e15;

export const agentInfoSchema = z.object({
  protocol: z.int(),
  version: z.string().max(40),
  bootId: z.string().max(64),
  init: z.enum(['image', 'agent']),
  kernel: z.string().max(128),
});

export const sessionInfoSchema = z.object({
  id: z.custom<string>(isSessionId),
  argv: z.array(z.string().max(65_536)).max(4096),
  user: z.string().max(64),
  tty: z.boolean(),
  keep: z.boolean(),
  attached: z.boolean(),
  startedUnixMs: z.number().min(0).max(MAX_DATE_MS),
  exit: z.custom<ExecExit>(isExit).nullable(),
});

export const sessionsSchema = z.object({ sessions: z.array(sessionInfoSchema).max(128) });

export const guestStatSchema = z.object({
  kind: z.enum(['file', 'directory', 'symlink', 'other']),
  sizeBytes: z.int().min(0),
  mode: z.int().min(0),
});

export const guestPortsSchema = z.object({
  ports: z
    .array(
      z.object({
        protocol: z.enum(['tcp', 'udp']),
        port: z.int().min(1).max(65_535),
        address: z.string().max(45),
        pid: z.int().nullable(),
        /** The name that the guest's kernel has for the process */
        process: z.string().max(64).nullable(),
      }),
    )
    .max(1024),
  /** There are more than these */
  isCut: z.boolean(),
});

export type AgentInfo = z.infer<typeof agentInfoSchema>;
export type SessionInfo = z.infer<typeof sessionInfoSchema>;
export type GuestPorts = z.infer<typeof guestPortsSchema>;
export type GuestStat = z.infer<typeof guestStatSchema>;

/** What the agent is asked to run; see docs/agent-protocol.md. */
export type ExecStart = {
  argv: string[];
  env: Record<string, string>;
  cwd: string | null;
  user: string | null;
  tty: { cols: number; rows: number } | null;
  stdin: boolean;
  keep: boolean;
  /**
   * What of the image's configuration counts; nothing when it is left out. `defaults`: its environment, user and folder,
   * where this says none. `command`: besides, its entrypoint goes before `argv`, and its command in the place of none.
   */
  image?: 'defaults' | 'command';
};

export type InterfaceConfig = { address: string; prefix: number; gateway: string; dns: string[]; search: string[] };

/** Goes in on the kernel command line, see docs/agent-protocol.md. */
export type BootConfig = {
  v: 2;
  hostname: string;
  machineId: string;
  /** Read-only, each over the one before it */
  imageDrives: string[];
  diskDrive: string;
  modulesDrive: string | null;
  /** In the order of their devices; the first has the way out */
  interfaces: InterfaceConfig[];
  unixMs: number;
  /** Its files are only read, by `POST /v1/root`: nothing of it runs, and nothing of the disk is changed */
  isStill?: true;
};
