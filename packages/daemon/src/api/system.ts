/** Routes of the daemon itself and of its operations. */
import type { ConfigShown } from '@banger/contract/api/config.ts';
import type { DaemonStatus } from '@banger/contract/api/system.ts';
import type { Operations } from '../operations/operations.ts';
import type { Handlers } from './handlers.ts';

type SystemRoutes = Extract<keyof Handlers, `daemon${string}` | `operation${string}` | 'configShow'>;
type Parts = {
  operations: Operations;
  status: () => Promise<DaemonStatus>;
  requestStop: () => void;
  configShown: () => Promise<ConfigShown>;
};

export function systemHandlers({ operations, status, requestStop, configShown }: Parts): Handlers<SystemRoutes> {
  return {
    daemonStatus: () => status(),
    daemonStop: () => {
      requestStop();
      return {};
    },
    configShow: () => configShown(),
    operationList: () => ({ operations: operations.list() }),
    operationWatch: (call) => ({ operation: operations.find(call.params.operation) }),
    operationCancel: (call) => {
      operations.cancel(call.params.operation);
      return {};
    },
  };
}
