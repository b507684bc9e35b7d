/**
 * Ports of a vm that are reachable on the host while it runs. The daemon listens itself, so they are closed while there
 * is no daemon; the next one opens them again.
 */
import type { Duplex } from 'node:stream';
import { wordsOf } from '@banger/contract/errors.ts';
import type { VmId } from '@banger/contract/names.ts';
import type { Log } from '../platform/log.ts';
import type { Task } from '../platform/task.ts';
import type { VmRecord } from '../store/records/vms.ts';
import type { Capability } from './capability.ts';
import { createPublishedPort, type PublishedPort } from './published-port.ts';

/** Of all vms: each takes a descriptor of the daemon's, and whoever reaches a port may open them */
const MAX_CONNECTIONS = 1000;

type PublishParts = {
  /** A new connection to a port in the guest */
  connect: (task: Task, vm: VmRecord, port: number) => Promise<Duplex>;
  /** Somebody uses the vm until the answer is disposed */
  use: (vm: VmRecord) => Disposable;
  log: Log;
};

export function createPublishCapability({ connect, use, log }: PublishParts) {
  const open = new Map<VmId, PublishedPort[]>();
  let connections = 0;
  return {
    name: 'published ports',
    async prepare(task, vm) {
      await listen(vm, (note) => task.note(note));
      return {};
    },
    adopt: (vm) => listen(vm, (note) => log.warn(`vm ${vm.name}: ${note}`)),
    release: async ({ id }) => release(id),
    releaseAll: () => [...open.keys()].forEach(release),
  } satisfies Capability & { releaseAll(): void };

  /** Throws PORT_TAKEN, unless it can do without that one; none of them is open then. */
  async function listen(vm: VmRecord, note: (text: string) => void): Promise<void> {
    release(vm.id);
    const ports: PublishedPort[] = [];
    open.set(vm.id, ports);
    try {
      for (const forward of vm.publish) {
        const warn = (fault: unknown) => log.warn(`vm ${vm.name}: published port ${forward.hostPort}`, fault);
        const port = createPublishedPort({
          forward,
          connect: (own, guestPort) => connect(own, vm, guestPort),
          enter,
          warn,
        });
        ports.push(port);
        await port.listen().catch((fault) => {
          if (!forward.ifFree) throw fault;
          note(withoutPort(vm.name, forward.guestPort, fault));
        });
      }
    } catch (thrown) {
      release(vm.id);
      throw thrown;
    }

    /** Null when there are too many. */
    function enter(): Disposable | null {
      if (connections >= MAX_CONNECTIONS) return null;
      const using = use(vm);
      connections += 1;
      return {
        [Symbol.dispose]: () => {
          connections -= 1;
          using[Symbol.dispose]();
        },
      };
    }
  }

  function release(id: VmId): void {
    for (const port of open.get(id) ?? []) port.close();
    open.delete(id);
  }
}

function withoutPort(vm: string, guestPort: number, fault: unknown): string {
  return `${wordsOf(fault)}; "banger vm forward ${vm} 0:${guestPort}" makes port ${guestPort} of the vm reachable at another one.`;
}
