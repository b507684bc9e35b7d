/** Routes of the vms. */
import type { Vm } from '@banger/contract/api/vms.ts';
import type { BegunOperation, Operations } from '../operations/operations.ts';
import { followFile } from '../platform/follow-file.ts';
import type { Vms } from '../vms/vms.ts';
import { briefly, type Handlers, type WatchedOperation, whileAsked } from './handlers.ts';

type VmRoutes = Exclude<Extract<keyof Handlers, `vm${string}`>, 'vmSsh'>;

export function vmHandlers({ vms, operations }: { vms: Vms; operations: Operations }): Handlers<VmRoutes> {
  return {
    vmList: async () => ({ vms: await vms.list() }),
    vmShow: (call) => vms.show(call.params.vm),
    vmCreate: (call) => {
      const request = call.body;
      const name = vms.nameFor(request.name);
      const operation = operations.begin('vm.create', name, (task) => vms.create(task, { ...request, name }));
      return request.ephemeral ? leased(operation) : { operation };
    },
    vmStart: (call) => {
      const { waitFor } = call.body;
      const { name } = vms.find(call.params.vm);
      return { operation: operations.begin('vm.start', name, (task) => vms.start(task, name, waitFor)) };
    },
    vmStop: (call) => {
      const { timeoutMs } = call.body;
      const { name } = vms.find(call.params.vm);
      return { operation: operations.begin('vm.stop', name, (task) => vms.stop(task, name, timeoutMs)) };
    },
    vmKill: (call) => {
      const { name } = vms.find(call.params.vm);
      return { operation: operations.begin('vm.kill', name, (task) => vms.stop(task, name, 0)) };
    },
    vmRestart: (call) => {
      const request = call.body;
      const { name } = vms.find(call.params.vm);
      return { operation: operations.begin('vm.restart', name, (task) => vms.restart(task, name, request)) };
    },
    vmCommit: (call) => {
      const request = call.body;
      const { name } = vms.find(call.params.vm);
      return { operation: operations.begin('vm.commit', name, (task) => vms.commit(task, name, request)) };
    },
    vmSet: (call) => {
      const sizes = call.body;
      const { name } = vms.find(call.params.vm);
      return { operation: operations.begin('vm.set', name, (task) => vms.set(task, name, sizes)) };
    },
    vmRemove: (call) => {
      const { force } = call.body;
      const { name } = vms.find(call.params.vm);
      return {
        operation: operations.begin('vm.remove', name, async (task) => {
          await vms.remove(task, name, force);
          return {};
        }),
      };
    },
    vmSessions: async (call) => {
      const task = briefly(call);
      return { sessions: await (await vms.guest(task, call.params.vm)).sessions(task) };
    },
    vmSessionEnd: async (call) => {
      const task = briefly(call);
      await (await vms.guest(task, call.params.vm)).endSession(task, call.params.session);
      return {};
    },
    vmStat: async (call) => {
      const task = briefly(call);
      const { path } = call.query;
      return (await vms.guest(task, call.params.vm)).statPath(task, path);
    },
    vmFilesGet: async (call) => {
      const task = briefly(call);
      const { path } = call.query;
      const { tar } = await (await vms.guest(task, call.params.vm)).readTar(task, path);
      const use = vms.use(call.params.vm);
      return tar.once('close', () => use[Symbol.dispose]());
    },
    vmFilesPut: async (call) => {
      const { path } = call.query;
      const guest = await vms.guest(briefly(call), call.params.vm);
      using _use = vms.use(call.params.vm);
      await guest.writeTar(whileAsked(call), path, call.tar, { isDurable: true });
      return {};
    },
    vmPorts: async (call) => {
      const task = briefly(call);
      return (await vms.guest(task, call.params.vm)).ports(task);
    },
    vmWait: (call) => vms.untilStopped(whileAsked(call), call.params.vm),
    vmStats: (call) => vms.stats(whileAsked(call), call.query.vms),
    vmLogs: async (call) => ({ text: await followFile(vms.consolePath(call.params.vm), call.query) }),
  };

  /** An ephemeral vm lives as long as the connection that asked for it. */
  function leased(operation: BegunOperation<Vm>): WatchedOperation {
    const { promise: hasLeft, resolve: leave } = Promise.withResolvers<void>();
    return {
      operation,
      keepOpen: () => removedAfter(hasLeft, operation),
      onLeave: () => {
        operation.cancel();
        leave();
      },
    };
  }

  async function removedAfter(hasLeft: Promise<void>, { result }: BegunOperation<Vm>): Promise<void> {
    const vm = await result;
    if (vm) await vms.removeAfter(hasLeft, vm.id);
  }
}
