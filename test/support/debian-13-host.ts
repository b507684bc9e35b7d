/**
 * Debian 13 as a host to run banger on, in a vm of banger's: with KVM, and this checkout in the home of the user who will
 * run it. Nothing is downloaded in there: the default image and kernel go in as well.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Vm } from '@banger/contract/api/vms.ts';
import { kvmVerdictPath, readKvmVerdict } from '../../packages/daemon/src/hypervisor/prove-kvm.ts';
import { CHECKOUT, createHome, type HomeOwner, type Output, PREPARED } from './banger-home.ts';
import { FIRECRACKER } from './find-firecracker.ts';
import type { Inside } from './look-inside.ts';

/** Made by scripts/setup-host-test */
const PREPARED_HOST = join(CHECKOUT, 'build/host-test');
/** One processor: by hand, nested guests were seen to hang on an emulated machine with more */
const SIZE = ['--cpus', '1', '--memory', '2G', '--disk-size', '8G'];

export type Debian13Host = Awaited<ReturnType<typeof createDebian13Host>>;

type User = { name: string; id: number; home: string; path: string };
export const ROOT: User = {
  name: 'root',
  id: 0,
  home: '/root',
  path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};
/** What a user has who logs in on Debian: no sbin in the path */
export const MIA: User = { name: 'mia', id: 1000, home: '/home/mia', path: '/usr/local/bin:/usr/bin:/bin' };

const NEEDED_TO_RUN = [
  ...['bin', 'catalog', 'packages', 'package.json', 'node_modules/node/bin', 'build/test-data', 'test'],
  'guest/agent/target/x86_64-unknown-linux-gnu/release/banger-agent',
  'host/link/target/x86_64-unknown-linux-gnu/release/banger-link',
];
/** What is in the compile cache is for this path and this user. */
const NOT_NEEDED_TO_RUN = ['packages', 'node-compile-cache'].map((name) => `build/test-data/cache/banger/${name}`);

/** Doubly emulated, on a busy machine */
const BOOT_LIMIT_MS = 300_000;
/** By the serial number that test/support/nesting-qemu gives it */
const CHECKOUT_DRIVE = '/dev/disk/by-id/virtio-checkout';

export async function createDebian13Host(t: HomeOwner, user: User) {
  const checkout = `${user.home}/banger`;
  const data = `${user.home}/test-data`;
  t.after(keepInnerLog); // before the home's own end, which takes the host with it
  const home = await createHome(t, { prepared: PREPARED_HOST });
  home.env.BANGER_QEMU = await makeQemu(home.folder, user);
  home.env.BANGER_HYPERVISOR_SEES = `${home.folder}:${CHECKOUT}`; // the script, and the drive that it adds
  await home.json(['vm', 'create', '--name', 'host', '--image', 'debian-13', '--kernel', 'debian-13', ...SIZE]);
  await home.json(['vm', 'start', 'host']);
  if (user !== ROOT) await asRoot(['useradd', '--create-home', '--uid', String(user.id), '--groups', 'kvm', user.name]);
  await bringCheckout();
  // The device's owner and mode come from udev.
  await asRoot(['udevadm', 'wait', '--timeout=300', '/dev/kvm']);

  const paths = { runtime: `${data}/state/banger/run`, data: `${data}/data/banger`, state: `${data}/state/banger` };
  const { name, home: homeFolder } = user;
  return { asRoot, start, assertShutIn, user: { name, home: homeFolder, paths, banger, json, shell, untilVm } };

  /** Runs a program in there to its end, and throws with its words unless it succeeds. */
  async function asRoot(argv: string[]): Promise<string> {
    return succeeded(argv, await home.run(inside(argv)));
  }

  /** Starts a program in there as root, with pipes, for as long as it takes. */
  function start(argv: string[]): ChildProcess {
    return home.start(inside(argv));
  }

  /** See look-inside.ts; for a process and files in there */
  async function assertShutIn(pid: number, inside: Inside): Promise<void> {
    const script = `import('${checkout}/test/support/look-inside.ts').then(({ assertShutIn }) => assertShutIn(${pid}, ${JSON.stringify(inside)}))`;
    await asRoot([`${checkout}/node_modules/node/bin/node`, '--eval', script]);
  }

  /** Runs the command as the user in there to its end, whatever that is. */
  function banger(args: string[]): Promise<Output> {
    return home.run(command(args));
  }

  /** Runs a script as the user in there, with "banger" and "node" as commands, and throws unless it succeeds. */
  async function shell(script: string): Promise<string> {
    const argv = as([
      ...environment(`${checkout}/bin:${checkout}/node_modules/node/bin:${user.path}`),
      'sh',
      '-c',
      script,
    ]);
    return succeeded([script], await home.run(argv));
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
    return as([...environment(user.path), `${checkout}/bin/banger`, ...args]);
  }

  function environment(path: string): string[] {
    const folders = ['state', 'data', 'cache'].map((name) => `XDG_${name.toUpperCase()}_HOME=${data}/${name}`);
    const limit = `BANGER_BOOT_TIMEOUT_MS=${BOOT_LIMIT_MS}`;
    const firecracker = FIRECRACKER ? [`BANGER_FIRECRACKER=${checkout}/${basename(FIRECRACKER)}`] : [];
    const own = [`HOME=${user.home}`, `PATH=${path}`, 'LANG=C.UTF-8'];
    return ['env', '-i', `--chdir=${user.home}`, limit, ...own, ...firecracker, ...folders];
  }

  function as(argv: string[]): string[] {
    return inside(['runuser', '-u', user.name, '--', ...argv]);
  }

  async function keepInnerLog(): Promise<void> {
    const { stdout } = await home.run(inside(['cat', `${data}/state/banger/daemon.log`]));
    await writeFile(join(home.paths.logs, 'daemon-in-there.log'), stdout);
  }

  /** The checkout stays on its drive, the images are copied: their files are the user's. */
  async function bringCheckout(): Promise<void> {
    await asRoot(['udevadm', 'wait', '--timeout=300', CHECKOUT_DRIVE]);
    await asRoot(['mount', '--mkdir', '--read-only', CHECKOUT_DRIVE, checkout]);
    const copy = as(['cp', '--archive', `${checkout}/build/test-data`, data]);
    succeeded(copy, await home.run(copy));
  }
}

/** QEMU for the host: the processor has what KVM needs, and the checkout is a drive. */
async function makeQemu(folder: string, user: User): Promise<string> {
  const drive = join(folder, 'checkout.squashfs');
  await packCheckout(drive, user);
  // That KVM runs no guests was found out for the default image; to find it out again takes half a minute.
  const verdict = await readKvmVerdict(kvmVerdictPath(join(PREPARED, 'cache/banger'), 'qemu'));
  const refuseKvm = verdict?.works === false ? 'case "$*" in *accel=kvm*) exit 1 ;; esac\n' : '';
  const path = join(folder, 'qemu');
  const script = `#!/bin/sh\n${refuseKvm}exec ${join(CHECKOUT, 'test/support/nesting-qemu')} ${drive} "$@"\n`;
  await writeFile(path, script, { mode: 0o700 });
  return path;
}

/** Packs what banger needs to run as the drive of a host, in which all of it belongs to the user. */
async function packCheckout(path: string, { id }: User): Promise<void> {
  const tar = ['tar', '-c', '-C', CHECKOUT, `--owner=:${id}`, `--group=:${id}`];
  const firecracker = FIRECRACKER ? ['-C', dirname(FIRECRACKER), basename(FIRECRACKER)] : [];
  const files = [
    ...NOT_NEEDED_TO_RUN.map((name) => `--exclude=${name}`),
    ...NEEDED_TO_RUN,
    ...npmPackages(),
    ...firecracker,
  ];
  const pack = 'path=$1 id=$2; shift 2; "$@" | tar2sqfs --quiet --compressor lz4 --defaults "uid=$id,gid=$id" "$path"';
  await promisify(execFile)('bash', ['-o', 'pipefail', '-c', pack, 'bash', path, String(id), ...tar, ...files]);
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
