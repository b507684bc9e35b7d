/** Route of the doctor's canary; its other checks need no daemon, see inspect.ts. */
import type { TimedCheck } from '@banger/contract/api/doctor.ts';
import type { Operations } from '../operations/operations.ts';
import type { Task } from '../platform/task.ts';
import type { Handlers } from './handlers.ts';

type Parts = { operations: Operations; bootCanary: (task: Task) => Promise<TimedCheck[]> };

export function doctorHandlers({ operations, bootCanary }: Parts): Handlers<'doctorBoot'> {
  return {
    doctorBoot: () => ({
      operation: operations.begin('doctor.boot', 'canary', async (task) => ({ checks: await bootCanary(task) })),
    }),
  };
}
