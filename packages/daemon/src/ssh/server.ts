/** sshd inside the guest: where it is, what it needs, how it is called. */
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import { type PackedEntry, packTar } from '@banger/contract/tar/pack-tar.ts';
import type { Guest } from '../guest/guest.ts';
import type { Task } from '../platform/task.ts';
import type { PublicKey } from './keys.ts';

const PLACES = ['/usr/sbin/sshd', '/usr/bin/sshd', '/usr/local/sbin/sshd'];
const NO_LOGIN = '/run/nologin';
const BOOT_LIMIT_MS = 15_000;
/** Between two looks at the file; the agent has no event for one that goes */
const LOOK_EVERY_MS = 100;
const HOST_KEY = 'etc/ssh/banger_host_ed25519_key';
const AUTHORIZED_KEYS = 'etc/ssh/banger_authorized_keys';
/** Where sshd locks up the half of itself that talks to strangers; the image's own service would make it */
const PRIVILEGE_SEPARATION = 'run/sshd';

/** Throws SSH_NO_SERVER. */
export async function findServer(task: Task, guest: Guest, vm: string): Promise<string> {
  for (const path of PLACES) if (await isFile(task, guest, path)) return path;
  throw new BangerError('SSH_NO_SERVER', {
    message: `The image of "${vm}" has no ssh server.`,
    hint: `"banger vm exec ${vm}" opens a shell without one; with the package openssh-server installed in it, ssh works too.`,
    details: { vm },
  });
}

export async function installKeys(task: Task, guest: Guest, keys: { hostKeyPath: string; userKey: PublicKey }) {
  const entries: PackedEntry[] = [
    { is: 'folder', path: PRIVILEGE_SEPARATION, mode: 0o755 },
    { is: 'file', path: HOST_KEY, mode: 0o600, content: await readFile(keys.hostKeyPath) },
    // sshd reads it as the user who logs in, who need not be root.
    { is: 'file', path: AUTHORIZED_KEYS, mode: 0o644, content: Buffer.from(`${keys.userKey.line} banger\n`) },
  ];
  await guest.writeTar(task, '/', Readable.from([packTar(entries, new Date(0))]));
}

/**
 * While systemd boots it lets only root in, and sends words about it. Waits for that to pass, up to a bound: whoever
 * made the file may have forgotten it, and root comes in all the same.
 */
export async function untilLoginsAreOpen(task: Task, guest: Guest): Promise<void> {
  for (const deadline = Date.now() + BOOT_LIMIT_MS; Date.now() < deadline; await delay(LOOK_EVERY_MS)) {
    if (!(await isFile(task, guest, NO_LOGIN))) return;
  }
}

/**
 * The language of the machine's own settings, and not the caller's: one whose words the image lacks makes every program
 * complain. What is empty is as good as not set.
 */
const IN_ITS_OWN_LANGUAGE = `variables=$1; shift; LANG=C.UTF-8
for file in /etc/locale.conf /etc/default/locale; do [ ! -r "$file" ] || . "$file"; done
exec "$@" -o "SetEnv=LANG=$LANG ${localeCategories().join(' ')} $variables"`;

function localeCategories(): string[] {
  const names =
    'ALL CTYPE NUMERIC TIME COLLATE MONETARY MESSAGES PAPER NAME ADDRESS TELEPHONE MEASUREMENT IDENTIFICATION';
  return names.split(' ').map((name) => `LC_${name}=`);
}

/** sshd says these by itself, of whoever logs in */
const OF_A_LOGIN = ['HOME', 'LOGNAME', 'MAIL', 'SHELL', 'TERM', 'USER'];
/** Less than Linux takes for one argument */
const MAX_VARIABLES_BYTES = 64 * 1024;

/**
 * Variables as sshd's SetEnv reads them, in every version alike: what it could not read, and what does not fit any more,
 * is left out.
 */
export function sshVariables(env: readonly string[]): string {
  const words = env.filter((line) => {
    const name = /^([A-Za-z_]\w*)=/.exec(line)?.[1];
    return name !== undefined && !OF_A_LOGIN.includes(name) && !/["\\\p{Cc}]/u.test(line);
  });
  let text = '';
  for (const word of words) {
    const more = `${text} "${word}"`;
    if (Buffer.byteLength(more) <= MAX_VARIABLES_BYTES) text = more;
  }
  return text.trim();
}

/**
 * One connection on stdin and stdout. What is set here goes before the image's own settings, which are kept. `imageEnv`
 * goes before what a login is given otherwise.
 */
export function serverCommand(path: string, imageEnv: readonly string[]): string[] {
  const options = {
    AuthorizedKeysFile: `.ssh/authorized_keys /${AUTHORIZED_KEYS}`,
    HostKey: `/${HOST_KEY}`,
    // Less would complain that the keys of the image's own service are not there yet.
    LogLevel: 'FATAL',
    PermitRootLogin: 'prohibit-password',
    PubkeyAuthentication: 'yes',
  };
  const words = [path, '-i', '-e', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
  return ['/bin/sh', '-c', IN_ITS_OWN_LANGUAGE, 'sh', sshVariables(imageEnv), ...words];
}

async function isFile(task: Task, guest: Guest, path: string): Promise<boolean> {
  try {
    return (await guest.statPath(task, path)).kind === 'file';
  } catch (fault) {
    if (toBangerError(fault).code === 'GUEST_PATH') return false;
    throw fault;
  }
}
