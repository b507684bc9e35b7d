/**
 * Debian 13 as a host to run banger on, in a vm of banger's: with KVM, and with files of a test's choice on a drive. What
 * is done in there goes through the agent, as root; its disk is empty but for what the image holds.
 */
import { type ChildProcess, execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { kvmVerdictPath, readKvmVerdict } from '../../packages/daemon/src/hypervisor/prove-kvm.ts';
import { CHECKOUT, createHome, type HomeOwner, type Output, PREPARED } from './banger-home.ts';

/** One processor: by hand, nested guests were seen to hang on an emulated machine with more */
const SIZE = ['--cpus', '1', '--memory', '2G', '--disk-size', '8G'];
/** By the serial number that test/support/nesting-qemu gives it */
const DRIVE = '/dev/disk/by-id/virtio-checkout';

export type User = { name: string; id: number; home: string; path: string };
export const ROOT: User = {
  name: 'root',
  id: 0,
  home: '/root',
  path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};
/** What a user has who logs in on Debian: no sbin in the path */
export const MIA: User = { name: 'mia', id: 1000, home: '/home/mia', path: '/usr/local/bin:/usr/bin:/bin' };

type HostOptions = {
  /** Made by scripts/setup-host-test */
  prepared: string;
  /** Who is there besides root, and may use KVM */
  user: User;
  /** What tar puts on the drive, all of it the user's, and where it is mounted in the host, read-only */
  drive: { files: readonly string[]; at: string };
  /** What is written at the end into the folder of logs, by name, as programs in there say it */
  logs: Readonly<Record<string, readonly string[]>>;
};

export async function createHostMachine(t: HomeOwner, { prepared, user, drive, logs }: HostOptions) {
  t.after(keepLogs); // before the home's own end, which takes the host with it
  const home = await createHome(t, { prepared });
  home.env.BANGER_QEMU = await makeQemu(home.folder, drive.files, user);
  home.env.BANGER_HYPERVISOR_SEES = `${home.folder}:${CHECKOUT}`; // the script, and the drive that it adds
  await home.json(['vm', 'create', '--name', 'host', '--image', 'debian-13', '--kernel', 'debian-13', ...SIZE]);
  await home.json(['vm', 'start', 'host']);
  if (user !== ROOT) await asRoot(['useradd', '--create-home', '--uid', String(user.id), '--groups', 'kvm', user.name]);
  await mountDrive();
  return { home, run, untilOutput, asRoot, start, reboot };

  function run(argv: string[]): Promise<Output> {
    return home.run(inside(argv));
  }

  function untilOutput(argv: string[], isWanted: (output: Output) => boolean): Promise<Output> {
    return home.untilOutput(inside(argv), isWanted);
  }

  /** Runs a program in there to its end, and throws with its words unless it succeeds. */
  async function asRoot(argv: string[]): Promise<string> {
    return succeeded(argv, await run(argv));
  }

  /** Starts a program in there as root, with pipes, for as long as it takes. */
  function start(argv: string[]): ChildProcess {
    return home.start(inside(argv));
  }

  /** In order, as "systemctl reboot" is; what ran in there has the time that systemd gives it. */
  async function reboot(): Promise<void> {
    await home.json(['vm', 'restart', '--timeout', '4m', 'host']);
    await mountDrive();
  }

  async function mountDrive(): Promise<void> {
    await asRoot(['udevadm', 'wait', '--timeout=300', DRIVE]);
    await asRoot(['mount', '--mkdir', '--read-only', DRIVE, drive.at]);
    // The device's owner and mode come from udev.
    await asRoot(['udevadm', 'wait', '--timeout=300', '/dev/kvm']);
  }

  async function keepLogs(): Promise<void> {
    if ((await home.run(['vm', 'show', 'host'])).code !== 0) return; // it was never there
    for (const [name, argv] of Object.entries(logs)) {
      const { stdout } = await run([...argv]);
      await writeFile(join(home.paths.logs, name), stdout);
    }
  }
}

export function succeeded(argv: string[], { code, stdout, stderr }: Output): string {
  if (code !== 0) throw new Error(`${argv.join(' ')} exited with ${code}: ${stderr}${stdout}`);
  return stdout;
}

function inside(argv: string[]): string[] {
  return ['vm', 'exec', 'host', '--', ...argv];
}

/** QEMU for the host: the processor has what KVM needs, and the files are on a drive. */
async function makeQemu(folder: string, files: readonly string[], owner: User): Promise<string> {
  const drive = join(folder, 'drive.squashfs');
  await pack(drive, files, owner);
  // That KVM runs no guests was found out for the default image; to find it out again takes half a minute.
  const verdict = await readKvmVerdict(kvmVerdictPath(join(PREPARED, 'cache/banger'), 'qemu'));
  const refuseKvm = verdict?.works === false ? 'case "$*" in *accel=kvm*) exit 1 ;; esac\n' : '';
  const path = join(folder, 'qemu');
  const script = `#!/bin/sh\n${refuseKvm}exec ${join(CHECKOUT, 'test/support/nesting-qemu')} ${drive} "$@"\n`;
  await writeFile(path, script, { mode: 0o700 });
  return path;
}

async function pack(path: string, files: readonly string[], { id }: User): Promise<void> {
  const tar = ['tar', '-c', '-C', CHECKOUT, `--owner=:${id}`, `--group=:${id}`, ...files];
  const script =
    'path=$1 id=$2; shift 2; "$@" | tar2sqfs --quiet --compressor lz4 --defaults "uid=$id,gid=$id" "$path"';
  await promisify(execFile)('bash', ['-o', 'pipefail', '-c', script, 'bash', path, String(id), ...tar]);
}
