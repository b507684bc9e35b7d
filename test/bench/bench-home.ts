/** A banger of its own for a measurement, with everything made that a first run makes. */
import { join } from 'node:path';
import type { Vm } from '@banger/contract/api/vms.ts';
import { type Client, connect } from '@banger/sdk/connect.ts';
import { createHome, type Home } from '../support/banger-home.ts';

export type BenchHome = Home & {
  client: Client;
  /** What a vm is like here when nobody says anything */
  usual: Vm;
  /** The command, to its end; throws unless it succeeds */
  banger(...args: string[]): Promise<string>;
  /** A running vm of that name whose init has nothing left to start */
  startCalmVm(name: string): Promise<void>;
};

/** A QEMU whose guest prints how long each step of its boot took, and has a second port */
export const INSTRUMENTED_QEMU = {
  env: { BANGER_QEMU: join(import.meta.dirname, 'instrumented-qemu') },
  config: '[vm_defaults]\ndriver = "qemu"\n',
};

export async function withHome<Result>(
  { env = {}, config = '' }: { env?: Record<string, string>; config?: string },
  measure: (home: BenchHome) => Promise<Result>,
): Promise<Result> {
  await using end = new AsyncDisposableStack();
  const owner = { name: 'bench', after: (dispose: () => Promise<void>) => end.defer(dispose) };
  const slow = process.env.BANGER_BOOT_TIMEOUT_MS; // on an emulated processor
  const home = await createHome(owner, { env: { ...(slow && { BANGER_BOOT_TIMEOUT_MS: slow }), ...env } });
  await home.writeConfig(config);
  // The daemon and its machines would outlive a bench that is interrupted.
  const onSignal = () => void end.disposeAsync().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, onSignal);
    end.defer(async () => void process.off(signal, onSignal));
  }
  const result = await measure({ ...home, banger, startCalmVm, client: clientOf(home), usual: await warmUp(home) });
  return result;

  async function banger(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await home.run(args);
    if (code !== 0) throw new Error(`banger ${args.join(' ')} exited with ${code}: ${stderr}`);
    return stdout;
  }

  async function startCalmVm(name: string): Promise<void> {
    await banger('vm', 'create', '--start', '--wait', 'system', '--name', name);
  }
}

function clientOf({ paths }: Home): Client {
  return connect({ socketPath: join(paths.runtime, 'daemon.sock') });
}

/** The first vm waits for the initramfs and for the verdict on KVM, the first commands for Node's compile cache. */
async function warmUp(home: Home): Promise<Vm> {
  await home.run(['vm', 'run', '--name', 'warm-up', '--', 'true']);
  const vm = await home.json<Vm>(['vm', 'show', 'warm-up']);
  await home.json(['vm', 'rm', '--force', 'warm-up']);
  await home.run(['vm', 'run', '--rm', '--', 'true']);
  await home.run(['vm', 'ls']);
  return vm;
}
