/**
 * What can be told without a daemon: `inspect.ts config` and `inspect.ts doctor`. It prints one line of JSON for each
 * answer, `{"error":{…}}` when there is none, and writes nothing anywhere; see docs/decisions/0019-inspecting-without-a-daemon.md.
 */
import { toBangerError } from '@banger/contract/errors.ts';
import { createConfig } from './config/config.ts';
import { showConfig } from './config/show-config.ts';
import { examineHost } from './doctor/doctor.ts';
import { readHost } from './platform/host.ts';
import { readSettings } from './read-settings.ts';
import { resolveVmDefaults } from './vms/vm-defaults.ts';

const INSPECTIONS: Record<string, () => Promise<void>> = { config: inspectConfig, doctor: inspectDoctor };

try {
  const inspect = INSPECTIONS[process.argv[2] ?? ''];
  if (!inspect) throw new Error(`it can inspect ${Object.keys(INSPECTIONS).join(', ')}`);
  await inspect();
} catch (thrown) {
  say({ error: toBangerError(thrown).toWire() });
}

async function inspectConfig(): Promise<void> {
  const { paths, home } = readSettings(process.env);
  const config = createConfig({ folder: paths.config, home });
  say(await showConfig(config, (configured) => resolveVmDefaults(readHost(), configured)));
}

async function inspectDoctor(): Promise<void> {
  const settings = readSettings(process.env);
  for await (const check of examineHost({ settings, readHost })) say(check);
}

function say(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
