/** Which hypervisors there are, which of them a vm gets, and whose a machine is that runs. */
import type { DriverChoice } from '@banger/contract/api/vms.ts';
import { BangerError } from '@banger/contract/errors.ts';
import type { Task } from '../platform/task.ts';
import type { Driver, MachineRef, Trial } from './hypervisor.ts';

/** What a vm asks of its driver */
export type Wish = { driver: DriverChoice; cpus: number };

export type Drivers = {
  /**
   * The one for the next run of a vm, whose kernel has a vsock or has none. Throws DRIVER_LIMIT, and DRIVER_UNAVAILABLE for
   * one that it names.
   */
  choose(task: Task, wish: Wish, trial: Trial & { hasVsock: boolean }): Promise<Driver>;
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

  async function choose(
    task: Task,
    wish: Wish,
    { hasVsock, ...trial }: Trial & { hasVsock: boolean },
  ): Promise<Driver> {
    checkLimits(wish);
    const reaches = ({ abilities }: Driver) => hasVsock || abilities.agentLine !== 'vsock';
    if (wish.driver !== 'auto') {
      const driver = find(wish.driver);
      if (!reaches(driver)) throw noVsock(driver.name, all.filter(reaches));
      return requireHere(task, driver, trial);
    }
    for (const driver of all.slice(0, -1)) {
      if (gives(driver, wish) && reaches(driver) && (await driver.findObstacle(task, trial)) === null) return driver;
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

/** Told before a guest is tried, which would only be silent. */
function noVsock(driver: string, others: Driver[]): BangerError {
  const takes = others.map(({ name }) => `take "--driver ${name}"`);
  return new BangerError('DRIVER_UNAVAILABLE', {
    message: `The driver "${driver}" reaches a guest by a vsock, and this vm's kernel has none, or was installed before banger looked for it.`,
    hint: ['Pull or import the kernel again and make a vm with it', ...takes].join(', or '),
    details: { driver },
  });
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
