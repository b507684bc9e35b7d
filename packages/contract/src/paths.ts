/**
 * Where banger keeps its things: the XDG folders, each with `/banger`. Pure: the caller hands in what it knows of the
 * environment, so that a run with all variables pointed elsewhere touches nothing of the user's.
 */
import { BangerError } from './errors.ts';

/** The kernel's limit for the path of a unix socket, without the closing zero */
const MAX_SOCKET_PATH_BYTES = 107;

export type BangerPaths = {
  config: string;
  state: string;
  data: string;
  cache: string;
  /** Sockets and what else may go when the host restarts */
  runtime: string;
};

type PathParts = {
  env: Readonly<Record<string, string | undefined>>;
  uid: number;
  /** The user's home folder, for variables that are not set */
  home: string;
  /** The uid of whoever owns a folder; null when there is none */
  ownerOf: (path: string) => number | null;
};

/** Throws HOME_INVALID, FOLDER_UNUSABLE. */
export function bangerPaths({ env, uid, home: givenHome, ownerOf }: PathParts): BangerPaths {
  const home = checkHome(givenHome);
  const state = `${folder('XDG_STATE_HOME') ?? `${home}/.local/state`}/banger`;
  return {
    config: `${folder('XDG_CONFIG_HOME') ?? `${home}/.config`}/banger`,
    state,
    data: `${folder('XDG_DATA_HOME') ?? `${home}/.local/share`}/banger`,
    cache: `${folder('XDG_CACHE_HOME') ?? `${home}/.cache`}/banger`,
    runtime: runtimeFolder(),
  };

  /** The XDG specification: a variable that is empty or not absolute is ignored. */
  function folder(variable: string): string | null {
    const path = env[variable];
    if (!path?.startsWith('/')) return null;
    const what = oddityOf(path);
    if (what === null) return path.replace(/\/+$/, '');
    throw new BangerError('FOLDER_UNUSABLE', {
      message: `${variable} has ${what} in it: ${JSON.stringify(path)}.`,
      hint: `Set ${variable} to a folder without it, or unset it.`,
    });
  }

  function runtimeFolder(): string {
    const given = folder('XDG_RUNTIME_DIR');
    // After su it is still the other user's, which the specification forbids to use.
    if (given !== null && [uid, null].includes(ownerOf(given))) return `${given}/banger`;
    // A login by su or from cron has no variable, but systemd's folder may be there: daemon and CLI must agree on it.
    const usual = `/run/user/${uid}`;
    return ownerOf(usual) === uid ? `${usual}/banger` : `${state}/run`;
  }
}

/** Gives the path back, or throws HOME_INVALID: what is kept would go to wherever the command happens to run. */
export function checkHome(home: string): string {
  const what = oddityOf(home);
  if (home.startsWith('/') && what === null) return home;
  const because = what === null ? 'so there is no home folder to keep anything in' : `and has ${what} in it`;
  throw new BangerError('HOME_INVALID', {
    message: `HOME is ${home === '' ? 'empty' : JSON.stringify(home)}, ${because}.`,
    hint: 'Set HOME to the absolute path of your home folder, or unset it: then the one of your account is used.',
  });
}

/**
 * What in a path no file of banger's can hold, in words: a line's end would be one in the log and in OpenSSH's config too,
 * and for bytes that are no UTF-8 others come in, which name another folder.
 */
function oddityOf(path: string): string | null {
  if (path.includes('\ufffd')) return 'a byte that is not UTF-8';
  return /\p{Cc}/u.test(path) ? 'a control character' : null;
}

export function daemonSocketPath(paths: BangerPaths): string {
  return checkSocketPath(`${paths.runtime}/daemon.sock`);
}

/** Gives the path back, or throws PATH_TOO_LONG: the kernel would refuse it with an error that says nothing. */
export function checkSocketPath(path: string): string {
  const lengthBytes = new TextEncoder().encode(path).length;
  if (lengthBytes <= MAX_SOCKET_PATH_BYTES) return path;
  throw new BangerError('PATH_TOO_LONG', {
    message: `The socket path ${path} has ${lengthBytes} bytes; the system allows ${MAX_SOCKET_PATH_BYTES}.`,
    hint: 'Set XDG_RUNTIME_DIR to a folder with a shorter path.',
    details: { path },
  });
}
