/** What changed, as it changes: one line of NDJSON each, from the moment at which the answer begins. */
import { z } from 'zod';
import { digestSchema } from './images.ts';
import { operationSchema } from './operations.ts';
import { vmFaultSchema, vmStateSchema } from './vms.ts';

const at = z.string();
/** A name that came to mean this digest, or that is gone */
const base = { at, change: z.enum(['named', 'removed']), name: z.string(), digest: digestSchema };

export const eventSchema = z.discriminatedUnion('is', [
  z.object({
    is: z.literal('vm'),
    at,
    change: z.enum(['made', 'changed', 'removed']),
    id: z.string(),
    name: z.string(),
    state: vmStateSchema,
    fault: vmFaultSchema.nullable(),
  }),
  z.object({ is: z.literal('image'), ...base }),
  z.object({ is: z.literal('kernel'), ...base }),
  z.object({ is: z.literal('operation'), at, change: z.enum(['begun', 'ended']), operation: operationSchema }),
  /** The reader was too slow for so many events: what it knows is to be asked for anew */
  z.object({ is: z.literal('gap'), at, missed: z.int() }),
]);

export type DaemonEvent = z.infer<typeof eventSchema>;
