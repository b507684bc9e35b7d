/** What "banger system install" and its kin answer. */
import { z } from 'zod';

export const installationSchema = z.object({
  /** Null where banger is not installed for the whole system */
  installed: z
    .object({
      version: z.string(),
      owner: z.object({ name: z.string(), uid: z.int() }),
      installedAt: z.string(),
      /** False when an install or uninstall was cut off */
      isComplete: z.boolean(),
      /** Files that are not as they were written, or gone */
      changed: z.array(z.string()),
    })
    .nullable(),
  /** What systemd says of each */
  units: z.array(z.object({ name: z.string(), active: z.string(), enabled: z.string() })),
  /** The process of the system's daemon */
  daemonPid: z.int().nullable(),
  /** What is to be known besides */
  notes: z.array(z.string()),
});

export type Installation = z.infer<typeof installationSchema>;
