/**
 * The door to the doctor: looks at this host and says, check by check, what works, what does not, and the one command
 * that fixes it. It starts no daemon, writes nothing, and takes less than a second. A check that cannot tell warns;
 * none passes because of what it could not see.
 */
import { join } from 'node:path';
import type { Check } from '@banger/contract/api/doctor.ts';
import { toBangerError } from '@banger/contract/errors.ts';
import { createConfig } from '../config/config.ts';
import { kvmVerdictPath } from '../hypervisor/prove-kvm.ts';
import type { Host } from '../platform/host.ts';
import type { Settings } from '../settings.ts';
import { checkCatalogs } from './catalog-checks.ts';
import { fail } from './check.ts';
import { checkConfig } from './config-checks.ts';
import { checkArchitecture } from './host-checks.ts';
import { checkKvm } from './kvm-check.ts';
import { checkLeftovers } from './leftovers-check.ts';
import { checkNetwork } from './network-check.ts';
import { checkQemu } from './qemu-check.ts';
import { readState } from './read-state.ts';
import { checkSsh } from './ssh-check.ts';
import { checkStorage } from './storage-checks.ts';
import { checkTools } from './tool-checks.ts';
import { checkUnrecorded } from './unrecorded-check.ts';
import { checkWalls } from './wall-check.ts';

export type DoctorParts = { settings: Settings; readHost: () => Host };

export async function* examineHost({ settings, readHost }: DoctorParts): AsyncGenerator<Check> {
  const { paths, tools, home } = settings;
  const qemu = checkQemu(tools.qemu);
  const state = readState(join(paths.state, 'state.sqlite'));
  const checks: [string, () => Check[] | Promise<Check[]>][] = [
    ['architecture', () => [checkArchitecture()]],
    ['qemu', async () => [(await qemu).check]],
    ['kvm', async () => checkKvm({ verdictPath: kvmVerdictPath(paths.cache, 'qemu'), version: (await qemu).version })],
    ['tools', () => checkTools(tools)],
    ['walls', checkWalls],
    ['network', () => checkNetwork(settings)],
    ['storage', () => checkStorage(paths)],
    ['state', () => [state.check]],
    ['images', () => checkCatalogs({ settings, state })],
    ['config', () => checkConfig(createConfig({ folder: paths.config, home }), readHost())],
    ['ssh', () => checkSsh(home)],
    ['leftovers', () => checkLeftovers(paths, state)],
    ['unrecorded', () => checkUnrecorded(paths, state)],
  ];
  // Those that try programs take most of the time, and wait for them beside one another.
  const findings = checks.map(([name, check]) =>
    Promise.resolve()
      .then(check)
      .catch((thrown) => [fail(name, `it cannot be checked: ${toBangerError(thrown).message.replace(/\.$/, '')}`)]),
  );
  for (const finding of findings) yield* await finding;
}
