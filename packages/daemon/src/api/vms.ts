/** Routes of the vms. */

import { Readable } from 'node:stream';
import { filesQuerySchema, logsQuerySchema } from '@banger/contract/api/endpoints.ts';
import {
  type Vm,
  vmCreateSchema,
  vmRemoveSchema,
  vmRestartSchema,
  vmSetSchema,
  vmStartSchema,
  vmStopSchema,
} from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { BegunOperation, Operations } from '../operations/operations.ts';
import { followFile } from '../platform/follow-file.ts';
import { Task } from '../platform/task.ts';
import type { Vms } from '../vms/vms.ts';
import { briefly, type Handlers, type WatchedOperation } from './handlers.ts';

type VmRoutes = Exclude<Extract<keyof Handlers, `vm${string}`>, 'vmSsh'>;

export function vmHandlers({ vms, operations }: { vms: Vms; operations: Operations }): Handlers<VmRoutes> {
  return {
    vmList: async () => ({ vms: await vms.list() }),
    vmShow: (call) => vms.show(call.param('vm')),
    vmCreate: async (call) => {
      const request = await call.body(vmCreateSchema);
      const name = vms.nameFor(request.name);
      const operation = operations.begin('vm.create', name, (task) => vms.create(task, { ...request, name }));
      return request.ephemeral ? leased(operation) : { operation };
    },
    vmStart: async (call) => {
      const { waitFor } = await call.body(vmStartSchema);
      const { name } = vms.find(call.param('vm'));
      return { operation: operations.begin('vm.start', name, (task) => vms.start(task, name, waitFor)) };
    },
    vmStop: async (call) => {
      const { timeoutMs } = await call.body(vmStopSchema);
      const { name } = vms.find(call.param('vm'));
      return { operation: operations.begin('vm.stop', name, (task) => vms.stop(task, name, timeoutMs)) };
    },
    vmKill: (call) => {
      const { name } = vms.find(call.param('vm'));
      return { operation: operations.begin('vm.kill', name, (task) => vms.stop(task, name, 0)) };
    },
    vmRestart: async (call) => {
      const request = await call.body(vmRestartSchema);
      const { name } = vms.find(call.param('vm'));
      return { operation: operations.begin('vm.restart', name, (task) => vms.restart(task, name, request)) };
    },
    vmSet: async (call) => {
      const sizes = await call.body(vmSetSchema);
      const { name } = vms.find(call.param('vm'));
      return { operation: operations.begin('vm.set', name, (task) => vms.set(task, name, sizes)) };
    },
    vmRemove: async (call) => {
      const { force } = await call.body(vmRemoveSchema);
      const { name } = vms.find(call.param('vm'));
      return {
        operation: operations.begin('vm.remove', name, async (task) => {
          await vms.remove(task, name, force);
          return {};
        }),
      };
    },
    vmSessions: async (call) => {
      const task = briefly(call.request);
      return { sessions: await (await vms.guest(task, call.param('vm'))).sessions(task) };
    },
    vmSessionEnd: async (call) => {
      const task = briefly(call.request);
      await (await vms.guest(task, call.param('vm'))).endSession(task, call.param('session'));
      return {};
    },
    vmStat: async (call) => {
      const task = briefly(call.request);
      const { path } = call.query(filesQuerySchema);
      return (await vms.guest(task, call.param('vm'))).statPath(task, path);
    },
    vmFilesGet: async (call) => {
      const task = briefly(call.request);
      const { path } = call.query(filesQuerySchema);
      const { tar } = await (await vms.guest(task, call.param('vm'))).readTar(task, path);
      const use = vms.use(call.param('vm'));
      return tar.once('close', () => use[Symbol.dispose]());
    },
    vmFilesPut: async (call) => {
      const { path } = call.query(filesQuerySchema);
      const guest = await vms.guest(briefly(call.request), call.param('vm'));
      using _use = vms.use(call.param('vm'));
      if (!call.request.body) throw new BangerError('BAD_REQUEST', { message: 'The body must be a tar stream.' });
      await guest.writeTar(new Task(call.request.signal, () => {}), path, Readable.fromWeb(call.request.body as never));
      return {};
    },
    vmPorts: async (call) => {
      const task = briefly(call.request);
      return (await vms.guest(task, call.param('vm'))).ports(task);
    },
    vmWait: (call) => vms.untilStopped(new Task(call.request.signal, () => {}), call.param('vm')),
    vmLogs: async (call) => followFile(vms.consolePath(call.param('vm')), call.query(logsQuerySchema)),
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
