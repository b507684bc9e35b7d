/** What "banger doctor" finds. */
import { z } from 'zod';

/** `warn`: banger works, but not as well as it could; `fail`: something that is asked for every day cannot work */
const checkStatus = z.enum(['pass', 'warn', 'fail']);

export const checkSchema = z.object({
  /** "kvm", "state" */
  name: z.string(),
  status: checkStatus,
  /** What was found, in a sentence without a full stop */
  text: z.string(),
  /** The one command that fixes it */
  fix: z.string().nullable(),
});

export const timedCheckSchema = checkSchema.extend({ durationMs: z.number() });

export type Check = z.infer<typeof checkSchema>;
export type TimedCheck = z.infer<typeof timedCheckSchema>;
