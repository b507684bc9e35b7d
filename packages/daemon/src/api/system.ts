/** Routes of the daemon itself, of what changes, and of operations. */
import type { ConfigShown } from '@banger/contract/api/config.ts';
import type { DaemonStatus } from '@banger/contract/api/system.ts';
import type { Events } from '../events/events.ts';
import type { Operations } from '../operations/operations.ts';
import type { Handlers } from './handlers.ts';

type SystemRoutes = Extract<keyof Handlers, `daemon${string}` | `operation${string}` | 'configShow' | 'eventList'>;
type Parts = {
  operations: Operations;
  events: Events;
  status: () => Promise<DaemonStatus>;
  requestStop: () => void;
  configShown: () => Promise<ConfigShown>;
};

export function systemHandlers({
  operations,
  events,
  status,
  requestStop,
  configShown,
}: Parts): Handlers<SystemRoutes> {
  return {
    daemonStatus: () => status(),
    daemonStop: () => {
      requestStop();
      return {};
    },
    configShow: () => configShown(),
    eventList: (call) => events.listen(call.signal),
    operationList: () => ({ operations: operations.list() }),
    operationWatch: (call) => ({ operation: operations.find(call.params.operation) }),
    operationCancel: (call) => {
      operations.cancel(call.params.operation);
      return {};
    },
  };
}
