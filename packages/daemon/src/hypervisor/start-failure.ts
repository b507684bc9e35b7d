import { BangerError } from '@banger/contract/errors.ts';
import type { MachinePlan } from './hypervisor.ts';

type StartFailure = {
  /** Of the hypervisor, as the user reads it */
  name: string;
  /** The end of what it printed */
  output: string;
  plan: MachinePlan;
  /** Null where it is not the time limit that ended the start */
  limitMs: number | null;
  cause: unknown;
};

/** What a hypervisor said when it could not start, as NOT_ENOUGH_MEMORY or HYPERVISOR_FAILED. */
export function startFailure({ name, output, plan, limitMs, cause }: StartFailure): BangerError {
  const lastLines = output.trim().split('\n').slice(-5).join('\n');
  if (/Cannot allocate memory|cannot set up guest memory/i.test(output)) {
    return new BangerError('NOT_ENOUGH_MEMORY', {
      message: `The host does not have ${Math.ceil(plan.memoryBytes / 2 ** 20)} MiB of memory for this vm.`,
      hint: 'Stop another vm, or give this one less with "banger vm set --memory".',
      details: { memoryBytes: plan.memoryBytes },
      cause,
    });
  }
  const what = limitMs === null ? 'could not start the machine' : `did not answer within ${limitMs / 1000} s`;
  return new BangerError('HYPERVISOR_FAILED', {
    message: `${name} ${what}${lastLines ? `: ${lastLines}` : '.'}`,
    hint: `What ${name} printed is in ${plan.logPath}.`,
    cause,
  });
}
