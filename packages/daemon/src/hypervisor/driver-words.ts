/** What the agent has to know of its driver before all else, as words of the kernel's command line. */
import type { DriverAbilities } from './hypervisor.ts';

/** None for what the agent takes for granted. What the kernel itself has to know is added by the driver. */
export function driverWords({ agentLine, endsBy }: Pick<DriverAbilities, 'agentLine' | 'endsBy'>): string[] {
  const line = agentLine === 'vsock' ? ['banger.line=vsock'] : [];
  return endsBy === 'reset' ? [...line, 'banger.end=reset'] : line;
}
