/**
 * The door to the doctor: looks at this host and says, check by check, what works, what does not, and the one command
 * that fixes it. It starts no daemon, writes nothing, and takes less than a second. A check that cannot tell warns;
 * none passes because of what it could not see.
 */
import { join } from 'node:path';
import type { Check } from '@banger/contract/api/doctor.ts';
import { wordsOf } from '@banger/contract/errors.ts';
import { createConfig } from '../config/config.ts';
import type { Host } from '../platform/host.ts';
import { pulledPrograms } from '../releases/pulled.ts';
import type { Settings } from '../settings.ts';
import { checkAddresses } from './addresses-check.ts';
import { checkCatalogs } from './catalog-checks.ts';
import { fail } from './check.ts';
import { checkConfig } from './config-checks.ts';
import { findDriver, judgeDriver } from './driver-check.ts';
import { findFirecracker, judgeFirecracker } from './firecracker-check.ts';
import { checkArchitecture } from './host-checks.ts';
import { findKvm, judgeKvm, readTrial } from './kvm-check.ts';
import { checkLeftovers } from './leftovers-check.ts';
import { checkNames } from './names-check.ts';
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
  const config = createConfig({ folder: paths.config, home });
  const qemu = checkQemu(tools.qemu);
  const firecracker = findFirecracker({ tool: tools.firecracker, folder: pulledPrograms(paths) });
  const trial = firecracker.then(({ answer }) =>
    readTrial(paths.cache, 'firecracker', 'version' in answer ? answer.version : null),
  );
  const kvm = (async () => findKvm([await readTrial(paths.cache, 'qemu', (await qemu).version), await trial]))();
  const wanted = config.read().then(
    ({ vmDefaults }) => vmDefaults.driver ?? 'auto',
    () => null, // told by its own check
  );
  const state = readState(join(paths.state, 'state.sqlite'));
  const checks: [string, () => Check[] | Promise<Check[]>][] = [
    ['architecture', () => [checkArchitecture()]],
    ['qemu', async () => [(await qemu).check]],
    ['firecracker', async () => [judgeFirecracker(await firecracker, (await kvm).device === 'usable')]],
    ['kvm', async () => [judgeKvm(await kvm)]],
    ['driver', async () => [judgeDriver(findDriver(await gatherDriver()))]],
    ['tools', () => checkTools(tools)],
    ['walls', checkWalls],
    ['network', () => checkNetwork(settings)],
    ['addresses', () => checkAddresses(settings.rootSocket, state)],
    ['names', () => checkNames(settings, state)],
    ['storage', () => checkStorage(paths)],
    ['state', () => [state.check]],
    ['images', () => checkCatalogs({ settings, state })],
    ['config', () => checkConfig(config, readHost())],
    ['ssh', () => checkSsh(home)],
    ['leftovers', () => checkLeftovers(paths, state)],
    ['unrecorded', () => checkUnrecorded(paths, state)],
  ];
  // Those that try programs take most of the time, and wait for them beside one another.
  const findings = checks.map(([name, check]) =>
    Promise.resolve()
      .then(check)
      .catch((thrown) => [fail(name, `it cannot be checked: ${wordsOf(thrown)}`)]),
  );
  for (const finding of findings) yield* await finding;

  async function gatherDriver() {
    const { device } = await kvm;
    return { wanted: await wanted, firecracker: await firecracker, trial: await trial, device };
  }
}
