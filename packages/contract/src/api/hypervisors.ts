/** The hypervisors whose programs banger fetches, as the owner API shows them. */
import { z } from 'zod';
import { digestSchema } from './images.ts';

const pulledSchema = z.object({
  version: z.string(),
  /** Of the program itself, not of the release that it came in */
  digest: digestSchema,
  sizeBytes: z.number(),
  path: z.string(),
  createdAt: z.string(),
});

export const hypervisorSchema = z.object({
  name: z.string(),
  /** What a pull brings */
  version: z.string(),
  description: z.string(),
  /** Null while it is only in the catalog */
  pulled: pulledSchema.nullable(),
});

export const hypervisorPullSchema = z.strictObject({
  name: z.string(),
  /** Again, although it is here */
  force: z.boolean().default(false),
  /** An https address of the project's releases, or an absolute path on the host; what the config says when it is left out */
  from: z.string().min(1).max(4096).optional(),
  /** Of the file that is fetched */
  digest: digestSchema.optional(),
});

export type Hypervisor = z.infer<typeof hypervisorSchema>;
