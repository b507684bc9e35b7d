/** JSON messages between daemon and agent. What comes from the guest is bounded here and believed nowhere else. */
import { z } from 'zod';

export const AGENT_PROTOCOL_VERSION = 1;

const exitSchema = z.union([
  z.object({ code: z.int().min(0).max(255) }),
  z.object({ signal: z.string().regex(/^[A-Z0-9+]{1,12}$/) }),
]);

export const agentInfoSchema = z.object({
  protocol: z.int(),
  version: z.string().max(40),
  bootId: z.string().max(64),
  init: z.enum(['image', 'agent']),
  kernel: z.string().max(128),
});

export const agentFailureSchema = z.object({ code: z.string().max(64), message: z.string().max(1024) });

export const execStartSchema = z.object({
  argv: z.array(z.string()).max(4096),
  env: z.record(z.string(), z.string()),
  cwd: z.string().max(4096).nullable(),
  user: z.string().max(64).nullable(),
  tty: z.object({ cols: z.int().min(1).max(4096), rows: z.int().min(1).max(4096) }).nullable(),
  stdin: z.boolean(),
  keep: z.boolean(),
});

export const execStartedSchema = z.object({ id: z.string().max(64), pid: z.int(), droppedBytes: z.int().min(0) });
export const execExitSchema = exitSchema;

export const sessionInfoSchema = z.object({
  id: z.string().regex(/^[A-Za-z0-9-]{1,64}$/),
  argv: z.array(z.string().max(65_536)).max(4096),
  user: z.string().max(64),
  tty: z.boolean(),
  keep: z.boolean(),
  attached: z.boolean(),
  startedUnixMs: z.number(),
  exit: exitSchema.nullable(),
});

export const sessionsSchema = z.object({ sessions: z.array(sessionInfoSchema).max(128) });

export const guestStatSchema = z.object({
  kind: z.enum(['file', 'directory', 'symlink', 'other']),
  sizeBytes: z.number(),
  mode: z.int(),
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
export type AgentFailure = z.infer<typeof agentFailureSchema>;
export type ExecStart = z.infer<typeof execStartSchema>;
export type ExecStarted = z.infer<typeof execStartedSchema>;
export type ExecExit = z.infer<typeof execExitSchema>;
export type SessionInfo = z.infer<typeof sessionInfoSchema>;
export type GuestPorts = z.infer<typeof guestPortsSchema>;
export type GuestStat = z.infer<typeof guestStatSchema>;

/** Goes in on the kernel command line, see docs/agent-protocol.md. */
export type BootConfig = {
  v: 1;
  hostname: string;
  machineId: string;
  imageDrive: string;
  diskDrive: string;
  modulesDrive: string | null;
  network: { address: string; prefix: number; gateway: string; dns: string[] } | null;
  unixMs: number;
};
