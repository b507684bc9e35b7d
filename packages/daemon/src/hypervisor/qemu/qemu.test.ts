import { fileURLToPath } from 'node:url';
import { connectGuest } from '../../guest/guest.ts';
import { createLog } from '../../platform/log.ts';
import { Task } from '../../platform/task.ts';
import { testDriver } from '../driver-suite.ts';
import type { Machine } from '../hypervisor.ts';
import { createQemuDriver } from './qemu.ts';

const fakeQemu = fileURLToPath(new URL('../../../../../test/support/fake-qemu', import.meta.url));
const task = Task.background();

testDriver("QEMU's driver on the fake", {
  driver: createQemuDriver({ qemuPath: fakeQemu, log: createLog(() => {}), accel: async () => 'tcg' }),
  plan: { kernelPath: '/k', initramfsPath: '/i', kernelArguments: [], cpus: 1, memoryBytes: 2 ** 28 },
  greet: async (machine) => void (await greet(machine)),
  endGuest: async (machine) => (await greet(machine)).shutdown(task, 'poweroff'),
});

async function greet(machine: Machine) {
  return connectGuest(task, await machine.openAgentStream());
}
