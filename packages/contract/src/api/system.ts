/** The daemon about itself. */
import { z } from 'zod';

export const daemonStatusSchema = z.object({
  version: z.string(),
  pid: z.int(),
  startedAt: z.string(),
  memoryBytes: z.number(),
  vms: z.object({ total: z.int(), running: z.int() }),
  paths: z.object({ config: z.string(), state: z.string(), data: z.string(), cache: z.string(), runtime: z.string() }),
});

export type DaemonStatus = z.infer<typeof daemonStatusSchema>;
