/**
 * Debian 13 as a host to run banger on, in a vm of banger's: with KVM, and this checkout in the home of the user who will
 * run it. Nothing is downloaded in there: the default image and kernel go in as well.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { TestContext } from 'node:test';
import type { Vm } from '@banger/contract/api/vms.ts';
import { CHECKOUT, createHome, type Output } from './banger-home.ts';

/** Made by scripts/setup-host-test */
const PREPARED_HOST = join(CHECKOUT, 'build/host-test');
/** One processor: by hand, nested guests were seen to hang on an emulated machine with more */
const SIZE = ['--cpus', '1', '--memory', '2G', '--disk-size', '8G'];

export type Debian13Host = Awaited<ReturnType<typeof createDebian13Host>>;

type User = { name: string; home: string; path: string };
export const ROOT: User = {
  name: 'root',
  home: '/root',
  path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};
/** What a user has who logs in on Debian: no sbin in the path */
export const MIA: User = { name: 'mia', home: '/home/mia', path: '/usr/local/bin:/usr/bin:/bin' };

const NEEDED_TO_RUN = [
  ...['bin', 'catalog', 'packages', 'package.json', 'node_modules/node/bin', 'build/test-data'],
  'guest/agent/target/x86_64-unknown-linux-gnu/release/banger-agent',
  'host/link/target/x86_64-unknown-linux-gnu/release/banger-link',
];
/** The folder of the compile cache stays, empty: what is in it is for this path and this user. */
const NOT_NEEDED_TO_RUN = ['packages', 'node-compile-cache/*'].map((name) => `build/test-data/cache/banger/${name}`);
/** Units of 512 bytes that tar reads at once: each read is a turn of the emulated processor */
const BLOCKING_FACTOR = 2048;

export async function createDebian13Host(t: TestContext, user: User) {
  const checkout = `${user.home}/banger`;
  const data = `${checkout}/build/test-data`;
  t.after(keepInnerLog); // before the home's own end, which takes the host with it
  const home = await createHome(t, {
    prepared: PREPARED_HOST,
    env: { BANGER_QEMU: join(CHECKOUT, 'test/support/nesting-qemu') },
  });
  await home.json(['vm', 'create', '--name', 'host', '--image', 'debian-13', '--kernel', 'debian-13', ...SIZE]);
  await home.json(['vm', 'start', 'host']);
  if (user !== ROOT) await asRoot(['useradd', '--create-home', '--groups', 'kvm', user.name]);
  await bringCheckout();
  // The device's owner and mode come from udev.
  await asRoot(['udevadm', 'wait', '--timeout=60', '/dev/kvm']);

  const paths = { runtime: `${data}/state/banger/run`, data: `${data}/data/banger` };
  return { asRoot, user: { name: user.name, paths, banger, json, untilVm } };

  /** Runs a program in there to its end, and throws with its words unless it succeeds. */
  async function asRoot(argv: string[]): Promise<string> {
    return succeeded(argv, await home.run(inside(argv)));
  }

  /** Runs the command as the user in there to its end, whatever that is. */
  function banger(args: string[]): Promise<Output> {
    return home.run(command(args));
  }

  async function json<Answer>(args: string[]): Promise<Answer> {
    const output = await banger([...args, '--json']);
    return JSON.parse(succeeded(['banger', ...args], output)) as Answer;
  }

  async function untilVm(name: string, isWanted: (vm: Vm) => boolean): Promise<Vm> {
    const argv = command(['vm', 'show', name, '--json']);
    const read = (output: Output) => JSON.parse(succeeded(argv, output)) as Vm;
    return read(await home.untilOutput(argv, (output) => isWanted(read(output))));
  }

  function command(args: string[]): string[] {
    const folders = ['state', 'data', 'cache'].map((name) => `XDG_${name.toUpperCase()}_HOME=${data}/${name}`);
    const environment = [`HOME=${user.home}`, `PATH=${user.path}`, 'LANG=C.UTF-8', ...folders];
    return as(['env', '-i', `--chdir=${user.home}`, ...environment, `${checkout}/bin/banger`, ...args]);
  }

  function as(argv: string[]): string[] {
    return inside(['runuser', '-u', user.name, '--', ...argv]);
  }

  async function keepInnerLog(): Promise<void> {
    const { stdout } = await home.run(inside(['cat', `${data}/state/banger/daemon.log`]));
    await writeFile(join(home.paths.logs, 'daemon-in-there.log'), stdout);
  }

  async function bringCheckout(): Promise<void> {
    const left = NOT_NEEDED_TO_RUN.map((path) => `--exclude=${path}`);
    const packing = spawn('tar', ['-c', '-C', CHECKOUT, ...left, ...NEEDED_TO_RUN, ...npmPackages()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const unpack = 'mkdir "$1" && tar -x --no-same-owner --blocking-factor="$2" -C "$1"';
    const unpacking = home.start(as(['sh', '-c', unpack, 'sh', checkout, String(BLOCKING_FACTOR)]));
    if (!unpacking.stdin || !unpacking.stderr) throw new Error('the command has no pipes');
    const [stderr, [code]] = await Promise.all([
      text(unpacking.stderr),
      once(unpacking, 'close'),
      pipeline(packing.stdout, unpacking.stdin),
    ]);
    if (code !== 0) throw new Error(`the checkout did not go in: ${stderr}`);
  }
}

/** What the packages load when they run, and nothing of what the checks and tests do. */
function npmPackages(): string[] {
  const manifests = globSync('packages/*/package.json', { cwd: CHECKOUT });
  const dependencies = manifests.flatMap((path) => {
    const { dependencies = {} } = JSON.parse(readFileSync(join(CHECKOUT, path), 'utf8'));
    return Object.keys(dependencies);
  });
  return [...new Set(dependencies)].map((name) => `node_modules/${name}`);
}

function inside(argv: string[]): string[] {
  return ['vm', 'exec', 'host', '--', ...argv];
}

function succeeded(argv: string[], { code, stdout, stderr }: Output): string {
  if (code !== 0) throw new Error(`${argv.join(' ')} exited with ${code}: ${stderr}${stdout}`);
  return stdout;
}
