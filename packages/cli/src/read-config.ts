/** The config as the daemon goes by it, or, when none runs, as one would. Starts no daemon. */
import type { ConfigShown } from '@banger/contract/api/config.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { type Client, isNobodyThere } from '@banger/sdk/connect.ts';

/** Throws CONFIG_INVALID. */
export async function readConfig(runningClient: Client): Promise<ConfigShown> {
  try {
    return await runningClient.configShow();
  } catch (error) {
    if (!isNobodyThere(error)) throw error;
  }
  const { inspectHost } = await import('./inspect-host.ts');
  for await (const shown of inspectHost<ConfigShown>('config')) return shown;
  throw new BangerError('INTERNAL', { message: "The daemon's program ended without showing the config." });
}
