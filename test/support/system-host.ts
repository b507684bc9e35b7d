/**
 * Debian 13 as a user has it who has only the package: no checkout, no Node, no cargo. The default image and kernel are in
 * the user's own folders already, as the first run would have made them.
 */
import { existsSync, globSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Vm } from '@banger/contract/api/vms.ts';
import { CHECKOUT, type HomeOwner, type Output } from './banger-home.ts';
import { FIRECRACKER } from './find-firecracker.ts';
import { createHostMachine, MIA, succeeded } from './host-machine.ts';
import { findPackageSource } from './package-source.ts';

/** Made by scripts/setup-host-test */
const PREPARED_HOST = join(CHECKOUT, 'build/host-system');
const DRIVE = '/media/banger';
/** Doubly emulated, on a busy machine */
const BOOT_LIMIT = 'BANGER_BOOT_TIMEOUT_MS=300000';
/** Of a service as of a command; it stays over installs, as an admin's own drop-in does */
const SLOW_HOST = `
  mkdir -p /etc/systemd/system/bangerd.service.d
  printf '[Service]\\nEnvironment=${BOOT_LIMIT}\\n' >/etc/systemd/system/bangerd.service.d/slow.conf
  if [ -e ${DRIVE}/firecracker ]; then cp ${DRIVE}/firecracker /usr/local/bin; fi`;
const BRING_IMAGES = `
  cp -r ${DRIVE}/build/test-data/data/banger ~/.local/share/
  cp -r ${DRIVE}/build/test-data/state/banger ~/.local/state/`;

/** Of a guest and of a host alike: perl-base is in every Debian. A browser connects more often than it asks. */
const SERVE = `use IO::Socket::INET; $s = IO::Socket::INET->new(LocalPort => shift, Listen => 9, ReuseAddr => 1) or die;
  $SIG{CHLD} = 'IGNORE';
  while (1) { $c = $s->accept or next; next if fork; while (<$c>) { last if /^\\r?$/ }
    print $c "HTTP/1.0 200 OK\\r\\n\\r\\n$ARGV[0]"; exit }`;

/** Words for a program that answers each request with one word, for ever. */
export function serveWord(port: number, word: string): string[] {
  return ['perl', '-e', SERVE, String(port), word];
}

export type SystemHost = Awaited<ReturnType<typeof createSystemHost>>;

export async function createSystemHost(t: HomeOwner) {
  const machine = await createHostMachine(t, {
    prepared: PREPARED_HOST,
    user: MIA,
    drive: { files: filesOnTheDrive(), at: DRIVE },
    logs: {
      'journal.log': ['journalctl', '--boot', '--output=short-monotonic', '--no-pager'],
      'daemon-in-there.log': ['cat', `${MIA.home}/.local/state/banger/daemon.log`],
    },
  });
  const { asRoot, run, untilOutput, start, reboot } = machine;
  await asRoot(['sh', '-ec', SLOW_HOST]);
  await logIn();
  await shell(`mkdir -p -m 700 ~/.local/share ~/.local/state && ${BRING_IMAGES.trim().replace('\n', ' &&')}`);
  return {
    logIn,
    asRoot,
    rootShell,
    untilOutput,
    start,
    reboot,
    asMia,
    banger,
    json,
    shell,
    installPackage,
    untilShell,
    untilRoot,
    askFrom,
  };

  /** As somebody who stays: her session is open until the host ends. */
  async function logIn(): Promise<void> {
    start(['runuser', '--login', MIA.name, '--command', 'exec sleep infinity']).on('error', () => {});
    await untilOutput(['test', '-S', `/run/user/${MIA.id}/systemd/private`], ({ code }) => code === 0);
  }

  /** Of this package, or of the one that comes after it. Debian's packages that it needs are here. */
  async function installPackage(which: 'this' | 'next'): Promise<void> {
    const [path] = packagePaths().filter((name) => name.includes('+next') === (which === 'next'));
    await asRoot(['apt-get', 'install', '--yes', `${DRIVE}/${path}`]);
  }

  /** Words for her session's environment */
  function asMia(argv: readonly string[]): string[] {
    const own = [`HOME=${MIA.home}`, `PATH=${MIA.path}`, 'LANG=C.UTF-8', `XDG_RUNTIME_DIR=/run/user/${MIA.id}`];
    return ['runuser', '-u', MIA.name, '--', 'env', '-i', `--chdir=${MIA.home}`, BOOT_LIMIT, ...own, ...argv];
  }

  function banger(args: readonly string[]): Promise<Output> {
    return run(asMia(['banger', ...args]));
  }

  async function json<Answer = Vm>(args: readonly string[]): Promise<Answer> {
    const dashes = args.indexOf('--');
    const flagged = dashes === -1 ? [...args, '--json'] : args.toSpliced(dashes, 0, '--json');
    return JSON.parse(succeeded(['banger', ...args], await banger(flagged))) as Answer;
  }

  /** Runs a script as mia and throws unless it succeeds. */
  async function shell(script: string): Promise<string> {
    return succeeded([script], await run(asMia(['bash', '-c', script])));
  }

  /** What a server outside answers to a machine, or to the host itself: a status of HTTP. */
  async function askFrom(vm: string | null): Promise<string> {
    const { uri } = findPackageSource();
    const curl = ['curl', '--silent', '--max-time', '240', '--output', '/dev/null', '--write-out', '%{http_code}'];
    const argv =
      vm === null ? asMia([...curl, uri.href]) : asMia(['banger', 'vm', 'exec', vm, '--', ...curl, uri.href]);
    const said = succeeded(argv, await run(argv));
    if (!/^[1-5]\d\d$/.test(said)) throw new Error(`${vm ?? 'the host'} did not get out: ${said}`);
    return said;
  }

  function rootShell(script: string, ...words: string[]): Promise<string> {
    return asRoot(['bash', '-c', script, 'bash', ...words]);
  }

  /** Until the script of mia's says what is wanted; for what the host does without telling anybody. */
  async function untilShell(script: string, wanted: string): Promise<void> {
    await untilOutput(asMia(['bash', '-c', script]), ({ stdout }) => stdout === wanted);
  }

  async function untilRoot(script: string, wanted: string): Promise<void> {
    await untilOutput(['bash', '-c', script], ({ stdout }) => stdout === wanted);
  }
}

function filesOnTheDrive(): string[] {
  const firecracker = FIRECRACKER ? ['-C', dirname(FIRECRACKER), basename(FIRECRACKER)] : [];
  const busybox = ['-C', '/', 'bin/busybox']; // is Debian's static one
  return ['build/test-data/data', 'build/test-data/state', ...packagePaths(), ...firecracker, ...busybox];
}

/** Made by "make package", and by scripts/make-next-package. */
function packagePaths(): string[] {
  const paths = globSync('build/banger_*_amd64.deb', { cwd: CHECKOUT });
  if (paths.length !== 2 || !existsSync(PREPARED_HOST))
    throw new Error('"make host-test" makes the packages and the host');
  return paths;
}
