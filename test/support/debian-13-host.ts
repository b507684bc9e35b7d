/**
 * Debian 13 as a host to run banger on, in a vm of banger's: with KVM, and this checkout in the home of the user who will
 * run it. Nothing is downloaded in there: the default image and kernel go in as well.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Vm } from '@banger/contract/api/vms.ts';
import { CHECKOUT, type HomeOwner, type Output } from './banger-home.ts';
import { FIRECRACKER } from './find-firecracker.ts';
import { createHostMachine, succeeded, type User } from './host-machine.ts';
import type { Inside } from './look-inside.ts';

/** Made by scripts/setup-host-test */
const PREPARED_HOST = join(CHECKOUT, 'build/host-test');

export type Debian13Host = Awaited<ReturnType<typeof createDebian13Host>>;

const NEEDED_TO_RUN = [
  ...['bin', 'catalog', 'packages', 'package.json', 'node_modules/node/bin', 'build/test-data', 'test'],
  'guest/agent/target/x86_64-unknown-linux-gnu/release/banger-agent',
  'host/link/target/x86_64-unknown-linux-gnu/release/banger-link',
];
/** What is in the compile cache is for this path and this user. */
const NOT_NEEDED_TO_RUN = ['packages', 'node-compile-cache'].map((name) => `build/test-data/cache/banger/${name}`);

/** Doubly emulated, on a busy machine */
const BOOT_LIMIT_MS = 300_000;

export async function createDebian13Host(t: HomeOwner, user: User) {
  const checkout = `${user.home}/banger`;
  const data = `${user.home}/test-data`;
  const { run, untilOutput, asRoot, start } = await createHostMachine(t, {
    prepared: PREPARED_HOST,
    user,
    drive: { files: filesToRun(), at: checkout },
    logs: { 'daemon-in-there.log': ['cat', `${data}/state/banger/daemon.log`] },
  });
  // The checkout stays on its drive, the images are copied: their files are the user's.
  const copy = as(['cp', '--archive', `${checkout}/build/test-data`, data]);
  succeeded(copy, await run(copy));

  const paths = { runtime: `${data}/state/banger/run`, data: `${data}/data/banger`, state: `${data}/state/banger` };
  const { name, home: homeFolder } = user;
  return { asRoot, start, assertShutIn, user: { name, home: homeFolder, paths, banger, json, shell, untilVm } };

  /** See look-inside.ts; for a process and files in there */
  async function assertShutIn(pid: number, inside: Inside): Promise<void> {
    const script = `import('${checkout}/test/support/look-inside.ts').then(({ assertShutIn }) => assertShutIn(${pid}, ${JSON.stringify(inside)}))`;
    await asRoot([`${checkout}/node_modules/node/bin/node`, '--eval', script]);
  }

  /** Runs the command as the user in there to its end, whatever that is. */
  function banger(args: string[]): Promise<Output> {
    return run(command(args));
  }

  /** Runs a script as the user in there, with "banger" and "node" as commands, and throws unless it succeeds. */
  async function shell(script: string): Promise<string> {
    const argv = as([
      ...environment(`${checkout}/bin:${checkout}/node_modules/node/bin:${user.path}`),
      'sh',
      '-c',
      script,
    ]);
    return succeeded([script], await run(argv));
  }

  async function json<Answer>(args: string[]): Promise<Answer> {
    const output = await banger([...args, '--json']);
    return JSON.parse(succeeded(['banger', ...args], output)) as Answer;
  }

  async function untilVm(name: string, isWanted: (vm: Vm) => boolean): Promise<Vm> {
    const argv = command(['vm', 'show', name, '--json']);
    const read = (output: Output) => JSON.parse(succeeded(argv, output)) as Vm;
    return read(await untilOutput(argv, (output) => isWanted(read(output))));
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
    return ['runuser', '-u', user.name, '--', ...argv];
  }
}

/** What banger needs to run, as words for tar. */
function filesToRun(): string[] {
  const firecracker = FIRECRACKER ? ['-C', dirname(FIRECRACKER), basename(FIRECRACKER)] : [];
  return [...NOT_NEEDED_TO_RUN.map((name) => `--exclude=${name}`), ...NEEDED_TO_RUN, ...npmPackages(), ...firecracker];
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
