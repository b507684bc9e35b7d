/** Which hypervisors there are, which of them a vm gets, and whose a machine is that runs. */
import type { DriverChoice } from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { Task } from '../platform/task.ts';
import type { Driver, MachineRef, Trial } from './hypervisor.ts';

/** What a vm asks of its driver */
export type Wish = { driver: DriverChoice; cpus: number };

export type Drivers = {
  /** The one for the next run of a vm. Throws DRIVER_LIMIT, and DRIVER_UNAVAILABLE for one that it names. */
  choose(task: Task, wish: Wish, trial: Trial): Promise<Driver>;
  /** Throws DRIVER_LIMIT for what the driver that is named never gives. */
  checkLimits(wish: Wish): void;
  /** Throws DRIVER_UNAVAILABLE for one that is named and can be seen not to work here. No guest is tried. */
  checkHere(task: Task, wish: Wish): Promise<void>;
  /** The one that started a machine */
  of(ref: Pick<MachineRef, 'driver'>): Driver;
};

/** Of `all`, `auto` prefers the first that works; the last is for what no other can do, and is not asked. */
export function createDrivers(all: readonly [...Driver[], Driver]): Drivers {
  return { choose, checkLimits, checkHere, of: ({ driver }) => find(driver) };

  async function choose(task: Task, wish: Wish, trial: Trial): Promise<Driver> {
    checkLimits(wish);
    if (wish.driver !== 'auto') return requireHere(task, find(wish.driver), trial);
    for (const driver of all.slice(0, -1)) {
      if (gives(driver, wish) && (await driver.findObstacle(task, trial)) === null) return driver;
    }
    return all.at(-1) as Driver;
  }

  function checkLimits(wish: Wish): void {
    if (wish.driver === 'auto' || gives(find(wish.driver), wish)) return;
    const { maxCpus } = find(wish.driver).abilities;
    const others = all.filter((driver) => gives(driver, wish)).map(({ name }) => `"--driver ${name}"`);
    throw new BangerError('DRIVER_LIMIT', {
      message: `The driver "${wish.driver}" gives a vm at most ${maxCpus} cpus, and this one asks for ${wish.cpus}.`,
      hint: `Ask for at most ${maxCpus} with --cpus${['', ...others].join(', or take ')}`,
      details: { driver: wish.driver, cpus: wish.cpus, maxCpus },
    });
  }

  async function checkHere(task: Task, { driver }: Wish): Promise<void> {
    if (driver !== 'auto') await requireHere(task, find(driver), null);
  }

  function find(name: string): Driver {
    const driver = all.find((each) => each.name === name);
    if (driver) return driver;
    throw new Error(`there is no driver "${name}"`);
  }
}

function gives({ abilities }: Driver, { cpus }: Wish): boolean {
  return cpus <= abilities.maxCpus;
}

async function requireHere(task: Task, driver: Driver, trial: Trial | null): Promise<Driver> {
  const obstacle = await driver.findObstacle(task, trial);
  if (obstacle === null) return driver;
  throw new BangerError('DRIVER_UNAVAILABLE', {
    message: `The driver "${driver.name}" cannot run a vm here: ${obstacle.why}.`,
    hint: obstacle.hint,
    details: { driver: driver.name },
  });
}
