/** Long work: begun by a POST, watched as a stream of events, cancelled by a DELETE, kept for a while after it ends. */
import { z } from 'zod';

const OPERATION_KINDS = [
  'vm.create',
  'vm.start',
  'vm.stop',
  'vm.kill',
  'vm.restart',
  'vm.remove',
  'vm.set',
  'vm.commit',
  'workspace.import',
  'workspace.export',
  'image.pull',
  'image.import',
  'image.build',
  'image.remove',
  'kernel.pull',
  'kernel.import',
  'kernel.remove',
  'hypervisor.pull',
  'doctor.boot',
  'system.prune',
] as const;

export const operationSchema = z.object({
  id: z.string(),
  kind: z.enum(OPERATION_KINDS),
  /** Name of the vm, image, kernel or hypervisor that it is about */
  subject: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  step: z.string().nullable(),
});

/** One line of the NDJSON stream. The first is always `begun`; the last is `done` or `failed`, unless the caller leaves. */
export type OperationEvent<Result = unknown> =
  | { is: 'begun'; operation: Operation }
  /** A new step begins, which ends the one before it; `step` reads "make the disk" */
  | { is: 'step'; step: string; atMs: number }
  /** How far the current step is; `total` is null when nobody knows. `detail` reads behind the numbers: "2 of 5 layers" */
  | { is: 'progress'; done: number; total: number | null; unit: 'bytes' | 'items'; detail?: string }
  | { is: 'note'; text: string }
  | { is: 'done'; result: Result; durationMs: number }
  | { is: 'failed'; error: import('../errors.ts').WireError; durationMs: number };

export type Operation = z.infer<typeof operationSchema>;
