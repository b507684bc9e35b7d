/**
 * Debian 13 as a host to run banger on, in a vm of banger's: with KVM, an ordinary user, and this checkout in the user's
 * home. Nothing is downloaded in there: the default image and kernel go in as well.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { TestContext } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { CHECKOUT, createHome, type Output } from './banger-home.ts';

/** Made by scripts/setup-host-test */
const PREPARED_HOST = join(CHECKOUT, 'build/host-test');
const USER_HOME = '/home/mia';
const CHECKOUT_INSIDE = `${USER_HOME}/banger`;
const DATA_INSIDE = `${CHECKOUT_INSIDE}/build/test-data`;
/** One processor: by hand, nested guests were seen to hang on an emulated machine with more */
const SIZE = ['--cpus', '1', '--memory', '3G', '--disk-size', '8G'];

/** What a user has who logs in on Debian: no sbin in the path. */
const USER_ENVIRONMENT = [
  `HOME=${USER_HOME}`,
  'PATH=/usr/local/bin:/usr/bin:/bin',
  'LANG=C.UTF-8',
  `XDG_STATE_HOME=${DATA_INSIDE}/state`,
  `XDG_DATA_HOME=${DATA_INSIDE}/data`,
  `XDG_CACHE_HOME=${DATA_INSIDE}/cache`,
];

const NEEDED_TO_RUN = [
  ...['bin', 'catalog', 'packages', 'package.json', 'node_modules', 'build/test-data'],
  'guest/agent/target/x86_64-unknown-linux-gnu/release/banger-agent',
];
const NOT_NEEDED_TO_RUN = ['@biomejs', '@typescript', 'typescript', 'node/node_modules'];

export async function createDebian13Host(t: TestContext) {
  t.after(keepInnerLog); // before the home's own end, which takes the host with it
  const home = await createHome(t, {
    prepared: PREPARED_HOST,
    env: { BANGER_QEMU: join(CHECKOUT, 'test/support/nesting-qemu') },
  });
  await home.json(['vm', 'create', '--name', 'host', '--image', 'debian-13', '--kernel', 'debian-13', ...SIZE]);
  await home.json(['vm', 'start', 'host']);
  await asRoot(['useradd', '--create-home', '--groups', 'kvm', 'mia']);
  await asUser(['mkdir', CHECKOUT_INSIDE]);
  await bringCheckout();
  // The device's owner and mode come from udev.
  await asRoot(['udevadm', 'wait', '--timeout=60', '/dev/kvm']);

  return {
    asRoot,
    asUser,
    banger,
    json,
    untilVm,
    paths: {
      runtime: `${DATA_INSIDE}/state/banger/run`,
      data: `${DATA_INSIDE}/data/banger`,
    },
  };

  async function keepInnerLog(): Promise<void> {
    const { stdout } = await home.run(inside(['cat', `${DATA_INSIDE}/state/banger/daemon.log`]));
    await writeFile(join(home.paths.logs, 'daemon-in-there.log'), stdout);
  }

  /** Runs a program in there to its end, and throws with its words unless it succeeds. */
  async function asRoot(argv: string[]): Promise<string> {
    return succeeded(argv, await home.run(inside(argv)));
  }

  async function asUser(argv: string[]): Promise<string> {
    return succeeded(argv, await home.run(inside(asMia(argv))));
  }

  /** Runs the command in there to its end, whatever that is. */
  function banger(args: string[]): Promise<Output> {
    return home.run(inside(bangerInside(args)));
  }

  async function json<Answer>(args: string[]): Promise<Answer> {
    const output = await banger([...args, '--json']);
    return JSON.parse(succeeded(['banger', ...args], output)) as Answer;
  }

  async function untilVm(name: string, isWanted: (vm: Vm) => boolean): Promise<Vm> {
    const argv = bangerInside(['vm', 'show', name, '--json']);
    const read = (output: Output) => JSON.parse(succeeded(argv, output)) as Vm;
    return read(await home.untilOutput(inside(argv), (output) => isWanted(read(output))));
  }

  async function bringCheckout(): Promise<void> {
    const left = NOT_NEEDED_TO_RUN.map((path) => `--exclude=node_modules/${path}`);
    const packing = spawn('tar', ['-c', '-C', CHECKOUT, ...left, ...NEEDED_TO_RUN], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const unpacking = home.start(inside(asMia(['tar', '-x', '-C', CHECKOUT_INSIDE])));
    if (!unpacking.stdin || !unpacking.stderr) throw new Error('the command has no pipes');
    const [stderr, [code]] = await Promise.all([
      text(unpacking.stderr),
      once(unpacking, 'close'),
      pipeline(packing.stdout, unpacking.stdin),
    ]);
    if (code !== 0) throw new Error(`the checkout did not go in: ${stderr}`);
  }
}

function inside(argv: string[]): string[] {
  return ['vm', 'exec', 'host', '--', ...argv];
}

function asMia(argv: string[]): string[] {
  return ['runuser', '-u', 'mia', '--', 'env', '-i', ...USER_ENVIRONMENT, ...argv];
}

function bangerInside(args: string[]): string[] {
  return asMia([`${CHECKOUT_INSIDE}/bin/banger`, ...args]);
}

function succeeded(argv: string[], { code, stdout, stderr }: Output): string {
  if (code !== 0) throw new Error(`${argv.join(' ')} exited with ${code}: ${stderr}${stdout}`);
  return stdout;
}
