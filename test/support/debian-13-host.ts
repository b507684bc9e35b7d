/**
 * Debian 13 as a host to run banger on, in a vm of banger's: with KVM, an ordinary user, and this checkout in the home of
 * that user and of root. Nothing is downloaded in there: the default image and kernel go in as well.
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
/** One processor: by hand, nested guests were seen to hang on an emulated machine with more */
const SIZE = ['--cpus', '1', '--memory', '3G', '--disk-size', '8G'];

export type Debian13Host = Awaited<ReturnType<typeof createDebian13Host>>;

type User = { name: string; home: string; path: string };
const ROOT: User = {
  name: 'root',
  home: '/root',
  path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};
/** What a user has who logs in on Debian: no sbin in the path */
const MIA: User = { name: 'mia', home: '/home/mia', path: '/usr/local/bin:/usr/bin:/bin' };

const NEEDED_TO_RUN = [
  ...['bin', 'catalog', 'packages', 'package.json', 'node_modules', 'build/test-data'],
  'guest/agent/target/x86_64-unknown-linux-gnu/release/banger-agent',
  'host/link/target/x86_64-unknown-linux-gnu/release/banger-link',
];
const NOT_NEEDED_TO_RUN = ['@biomejs', '@typescript', 'typescript', 'node/node_modules'];

export async function createDebian13Host(t: TestContext) {
  t.after(keepInnerLogs); // before the home's own end, which takes the host with it
  const home = await createHome(t, {
    prepared: PREPARED_HOST,
    env: { BANGER_QEMU: join(CHECKOUT, 'test/support/nesting-qemu') },
  });
  await home.json(['vm', 'create', '--name', 'host', '--image', 'debian-13', '--kernel', 'debian-13', ...SIZE]);
  await home.json(['vm', 'start', 'host']);
  await asRoot(['useradd', '--create-home', '--groups', 'kvm', MIA.name]);
  await bringCheckout(checkoutOf(MIA));
  await asRoot(['cp', '-r', checkoutOf(MIA), checkoutOf(ROOT)]);
  await asRoot(['chown', '-R', `${MIA.name}:`, checkoutOf(MIA)]);
  // The device's owner and mode come from udev.
  await asRoot(['udevadm', 'wait', '--timeout=60', '/dev/kvm']);

  return { asRoot, root: as(ROOT), mia: as(MIA) };

  /** Runs a program in there to its end, and throws with its words unless it succeeds. */
  async function asRoot(argv: string[]): Promise<string> {
    return succeeded(argv, await home.run(inside(argv)));
  }

  /** banger as this user runs it in there */
  function as(user: User) {
    const paths = { runtime: `${dataOf(user)}/state/banger/run`, data: `${dataOf(user)}/data/banger` };
    const command = (args: string[]) => inside([...login(user), `${checkoutOf(user)}/bin/banger`, ...args]);
    return { name: user.name, paths, banger, json, untilVm, keepLog };

    /** Runs the command in there to its end, whatever that is. */
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

    async function keepLog(): Promise<void> {
      const { stdout } = await home.run(inside(['cat', `${dataOf(user)}/state/banger/daemon.log`]));
      await writeFile(join(home.paths.logs, `daemon-of-${user.name}-in-there.log`), stdout);
    }
  }

  async function keepInnerLogs(): Promise<void> {
    for (const user of [ROOT, MIA]) await as(user).keepLog();
  }

  async function bringCheckout(folder: string): Promise<void> {
    await asRoot(['mkdir', folder]);
    const left = NOT_NEEDED_TO_RUN.map((path) => `--exclude=node_modules/${path}`);
    const packing = spawn('tar', ['-c', '-C', CHECKOUT, ...left, ...NEEDED_TO_RUN], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const unpacking = home.start(inside(['tar', '-x', '--no-same-owner', '-C', folder]));
    if (!unpacking.stdin || !unpacking.stderr) throw new Error('the command has no pipes');
    const [stderr, [code]] = await Promise.all([
      text(unpacking.stderr),
      once(unpacking, 'close'),
      pipeline(packing.stdout, unpacking.stdin),
    ]);
    if (code !== 0) throw new Error(`the checkout did not go in: ${stderr}`);
  }
}

function checkoutOf({ home }: User): string {
  return `${home}/banger`;
}

function dataOf(user: User): string {
  return `${checkoutOf(user)}/build/test-data`;
}

function inside(argv: string[]): string[] {
  return ['vm', 'exec', 'host', '--', ...argv];
}

function login(user: User): string[] {
  const folders = ['state', 'data', 'cache'].map((name) => `XDG_${name.toUpperCase()}_HOME=${dataOf(user)}/${name}`);
  const environment = [`HOME=${user.home}`, `PATH=${user.path}`, 'LANG=C.UTF-8', ...folders];
  return ['runuser', '-u', user.name, '--', 'env', '-i', `--chdir=${user.home}`, ...environment];
}

function succeeded(argv: string[], { code, stdout, stderr }: Output): string {
  if (code !== 0) throw new Error(`${argv.join(' ')} exited with ${code}: ${stderr}${stdout}`);
  return stdout;
}
