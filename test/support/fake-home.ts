/** A home whose hypervisor is the fake one: the real command and the real daemon, and faults on demand. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CHECKOUT, createHome } from './banger-home.ts';
import { type FakeFaults, writeFakeFaults } from './fake-faults.ts';

export async function createFakeHome(t: TestContext, env: Record<string, string> = {}) {
  // The path of the faults is only known once the home is, and the daemon reads it at each start of a machine.
  const home = await createHome(t, { env: { BANGER_QEMU: join(CHECKOUT, 'test/support/fake-qemu'), ...env } });
  const faultsPath = join(home.folder, 'faults.json');
  home.env.BANGER_FAKE_QEMU = faultsPath;
  return {
    ...home,
    /** For every machine that starts from now on */
    setFaults: (faults: Partial<FakeFaults>) => writeFakeFaults(faultsPath, faults),
  };
}
