/** A home whose hypervisor is the fake one: the real command and the real daemon, and faults on demand. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CHECKOUT, createHome } from './banger-home.ts';
import { type FakeFaults, writeFakeFaults } from './fake-faults.ts';

const FAKE_QEMU = join(CHECKOUT, 'test/support/fake-qemu');

export async function createFakeHome(t: TestContext, env: Record<string, string> = {}) {
  const home = await createHome(t);
  const faultsPath = join(home.folder, 'faults.json');
  const qemuPath = join(home.folder, 'qemu');
  // What the daemon starts gets nothing of its environment.
  await writeFile(qemuPath, `#!/bin/sh\nBANGER_FAKE_QEMU=${faultsPath} exec ${FAKE_QEMU} "$@"\n`, { mode: 0o700 });
  Object.assign(home.env, { BANGER_QEMU: qemuPath, ...env });
  return {
    ...home,
    /** For every machine that starts from now on */
    setFaults: (faults: Partial<FakeFaults>) => writeFakeFaults(faultsPath, faults),
  };
}
