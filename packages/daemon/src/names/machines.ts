/** The machines that have an address of their own, found as often as they are asked for. */
import type { VmId, VmName } from '@banger/contract/names.ts';
import type { OperationAnswer } from '@banger/contract/privileged/operations.ts';
import type { Task } from '../platform/task.ts';
import type { Machines, NamedMachine } from './answer.ts';

type MachinesParts = {
  list: () => readonly Omit<NamedMachine, 'reachesMachines'>[];
  /** With what each may reach, as it is in force */
  listTaps: (task: Task) => Promise<Pick<OperationAnswer<'list'>, 'taps'>>;
};

type Index = { byNameOrId: Map<string, NamedMachine>; byAddress: Map<string, NamedMachine> };

export function createMachines({ list, listTaps }: MachinesParts) {
  let reaching: ReadonlySet<string> = new Set();
  let index: Index | null = null;
  return {
    byNameOrId: (nameOrId: VmName | VmId) => read().byNameOrId.get(nameOrId) ?? null,
    byAddress: (address: string) => read().byAddress.get(address) ?? null,
    forget,
    noteReach,
  } satisfies Machines & Record<string, unknown>;

  /** `list` has changed. */
  function forget(): void {
    index = null;
  }

  /** What machines may reach has changed. Throws what `listTaps` does. */
  async function noteReach(task: Task): Promise<void> {
    const { taps } = await listTaps(task);
    reaching = new Set(taps.flatMap(({ vm, reach }) => (reach.includes('machines') ? [vm] : [])));
    forget();
  }

  function read(): Index {
    index ??= makeIndex(list().map((machine) => ({ ...machine, reachesMachines: reaching.has(machine.id) })));
    return index;
  }
}

function makeIndex(machines: readonly NamedMachine[]): Index {
  return {
    byNameOrId: new Map(machines.flatMap((machine) => [machine.name, machine.id].map((key) => [key, machine]))),
    byAddress: new Map(machines.map((machine) => [machine.address, machine])),
  };
}
