import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DriverChoice, DriverName } from '@banger/contract/api/vms.ts';
import type { VmId } from '@banger/contract/names.ts';
import { Task } from '../platform/task.ts';
import { createDrivers } from './drivers.ts';
import type { Driver, DriverAbilities, Obstacle, Trial } from './hypervisor.ts';

const task = Task.background();
const trial = { vmId: '0123456789ab' as VmId, runtimeFolder: '/run', kernelPath: '/k', initramfsPath: '/i' };
const NO_KVM = { why: 'KVM runs no guests here', hint: 'Ask the doctor.' };

test('auto takes the first that works here, and the last where none does', async () => {
  const asked: (Trial | null)[] = [];
  const drivers = createDrivers([fake('fast', { asked }), fake('slow', { obstacle: NO_KVM })]);
  assert.equal(await chosen(drivers, 'auto'), 'fast');
  assert.deepEqual(asked, [trial]);
  const withoutKvm = createDrivers([fake('fast', { obstacle: NO_KVM }), fake('slow', { obstacle: NO_KVM })]);
  assert.equal(await chosen(withoutKvm, 'auto'), 'slow', 'its own start says what is wrong');
});

test('a vm that is too large for one gets another by auto, and no guest is tried for it', async () => {
  const asked: (Trial | null)[] = [];
  const drivers = createDrivers([fake('fast', { asked, maxCpus: 32 }), fake('slow')]);
  assert.equal(await chosen(drivers, 'auto', 33), 'slow');
  assert.deepEqual(asked, []);
  assert.equal(await chosen(drivers, 'auto', 32), 'fast');
});

test('one that is named is taken, or it is told why it cannot be, and what gives more', async () => {
  const drivers = createDrivers([fake('fast', { obstacle: NO_KVM, maxCpus: 32 }), fake('slow')]);
  assert.equal(await chosen(drivers, 'slow'), 'slow');
  const unavailable = {
    code: 'DRIVER_UNAVAILABLE',
    message: /"fast" .*: KVM runs no guests here\.$/,
    hint: NO_KVM.hint,
  };
  await assert.rejects(chosen(drivers, 'fast'), unavailable);
  await assert.rejects(drivers.checkHere(task, wish('fast')), unavailable);
  await drivers.checkHere(task, wish('auto'));
  const limit = {
    code: 'DRIVER_LIMIT',
    message: /at most 32 cpus.* asks for 40/,
    hint: /--cpus, or take "--driver slow"$/,
  };
  assert.throws(() => drivers.checkLimits(wish('fast', 40)), limit);
  await assert.rejects(chosen(drivers, 'fast', 40), limit);
  drivers.checkLimits(wish('auto', 40));
});

test('a kernel without a vsock gets a driver that needs none, and no guest is tried with it', async () => {
  const asked: (Trial | null)[] = [];
  const drivers = createDrivers([fake('fast', { asked, agentLine: 'vsock' }), fake('slow')]);
  const choose = (driver: string, hasVsock: boolean) =>
    drivers.choose(task, wish(driver), { ...trial, hasVsock }).then(({ name }) => name as string);
  assert.equal(await choose('auto', false), 'slow');
  await assert.rejects(choose('fast', false), {
    code: 'DRIVER_UNAVAILABLE',
    message: /vsock/,
    hint: /the kernel again .*, or take "--driver slow"$/,
  });
  assert.equal(await choose('slow', false), 'slow');
  assert.deepEqual(asked, []);
  assert.equal(await choose('auto', true), 'fast');
});

test('a machine that runs belongs to the driver that started it', () => {
  const drivers = createDrivers([fake('fast'), fake('slow')]);
  assert.equal(drivers.of({ driver: 'slow' as DriverName }).name, 'slow');
});

type Faked = {
  obstacle?: Obstacle;
  maxCpus?: number;
  agentLine?: DriverAbilities['agentLine'];
  asked?: (Trial | null)[];
};

function fake(name: string, given: Faked = {}): Driver {
  const { obstacle, maxCpus = 64, agentLine = 'virtio-serial', asked = [] } = given;
  const findObstacle: Driver['findObstacle'] = async (_, given) => {
    asked.push(given);
    return obstacle ?? null;
  };
  return { name: name as DriverName, abilities: { maxCpus, agentLine } as DriverAbilities, findObstacle } as Driver;
}

function wish(driver: string, cpus = 1) {
  return { driver: driver as DriverChoice, cpus };
}

async function chosen(drivers: ReturnType<typeof createDrivers>, driver: string, cpus = 1): Promise<string> {
  return (await drivers.choose(task, wish(driver, cpus), { ...trial, hasVsock: true })).name;
}
