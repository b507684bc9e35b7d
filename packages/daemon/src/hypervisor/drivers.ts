/** Which hypervisors there are, which of them a vm gets, and whose a machine is that runs. */
import type { DriverChoice, DriverName } from '@banger/contract/api/vms.ts';
import type { Task } from '../platform/task.ts';
import type { Driver, MachineRef } from './hypervisor.ts';

export type Drivers = {
  /** The one for the next run of a vm. Throws what says that it cannot be used here. */
  choose(task: Task, wanted: DriverChoice): Promise<Driver>;
  /** The one that started a machine */
  of(ref: Pick<MachineRef, 'driver'>): Driver;
};

export function createDrivers(all: { [Name in DriverName]: Driver }): Drivers {
  return {
    choose: async (_task, wanted) => all[wanted === 'auto' ? 'qemu' : wanted],
    of: ({ driver }) => all[driver],
  };
}
