/** Routes of the hypervisors' programs. */
import type { Digest } from '@banger/contract/digest.ts';
import type { Operations } from '../operations/operations.ts';
import type { Releases } from '../releases/releases.ts';
import type { Handlers } from './handlers.ts';

type HypervisorRoutes = Extract<keyof Handlers, `hypervisor${string}`>;

export function hypervisorHandlers(parts: { releases: Releases; operations: Operations }): Handlers<HypervisorRoutes> {
  const { releases, operations } = parts;
  return {
    hypervisorList: async () => ({ hypervisors: await releases.list() }),
    hypervisorPull: (call) => {
      const { name, digest, ...options } = call.body;
      const wanted = { ...options, digest: digest as Digest | undefined };
      return { operation: operations.begin('hypervisor.pull', name, (task) => releases.pull(task, name, wanted)) };
    },
  };
}
