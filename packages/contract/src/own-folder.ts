/**
 * Folders that nobody but their user and root can change or redirect, as sshd asks of a home. Pure: the caller hands in
 * `node:fs`, so that the command, the daemon and `inspect` go by one rule.
 */
import { BangerError } from './errors.ts';

const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;
/** The kernel's own limit */
const MAX_LINKS = 40;

type Found = { uid: number; gid: number; mode: number; isDirectory(): boolean; isSymbolicLink(): boolean };

/** What is used of `node:fs` */
export type FolderFiles = {
  lstatSync: (path: string, options: { throwIfNoEntry: boolean }) => Found | undefined;
  readlinkSync: (path: string) => string;
  mkdirSync: (path: string, mode: number) => unknown;
  chmodSync: (path: string, mode: number) => void;
};

/** Whose folders they should be, and how to look at them */
export type FolderOwner = { uid: number; files: FolderFiles };

/**
 * Throws FOLDER_UNSAFE unless only the user and root can change what `path` leads to: each of its components, behind
 * links too, belongs to one of them, and others cannot write there, except under a sticky bit. What is not there is
 * judged by what it would be made in.
 */
export function checkTrustedPath(path: string, { uid, files }: FolderOwner): void {
  const left = partsOf(path);
  let at = '';
  let links = 0;
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === '..') {
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
      continue;
    }
    const here = `${at}/${name}`;
    const found = look(here, files);
    if (found === undefined) return;
    if (found.uid !== uid && found.uid !== 0) throw unsafe(path, here, `belongs to uid ${found.uid}`);
    if (!found.isSymbolicLink()) {
      if (left.length > 0 && !found.isDirectory())
        throw unusable(path, Object.assign(new Error(here), { code: 'ENOTDIR' }));
      if (othersWrite(found) && !(found.mode & STICKY)) throw unsafe(path, here, 'can be written by others');
      at = here;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw unsafe(path, here, 'is one link too many');
    const target = files.readlinkSync(here);
    if (target.startsWith('/')) at = '';
    left.unshift(...partsOf(target));
  }
}

/** Also asks that the folder itself, when it is there, is the user's, and that nobody else can put a thing into it. */
export function checkOwnFolder(path: string, owner: FolderOwner): void {
  checkTrustedPath(path, owner);
  const found = look(`${path}/.`, owner.files); // behind a link
  if (found === undefined) return;
  if (found.uid !== owner.uid) throw unsafe(path, path, `belongs to uid ${found.uid}`);
  if (othersWrite(found)) throw unsafe(path, path, 'can be written by others');
}

/** Makes it where it is missing, and closes it to others, whatever the umask. Throws FOLDER_UNSAFE, FOLDER_UNUSABLE. */
export function makeOwnFolder(path: string, owner: FolderOwner): void {
  const { files } = owner;
  checkOwnFolder(path, owner);
  try {
    makeFolders(path, files);
    const found = files.lstatSync(`${path}/.`, { throwIfNoEntry: true });
    if (found && (found.mode & 0o777) !== 0o700) files.chmodSync(path, 0o700);
  } catch (cause) {
    throw unusable(path, cause as Error);
  }
  checkOwnFolder(path, owner); // somebody may have been faster
}

/** Who owns the folder, behind a link too; null when there is none. Throws FOLDER_UNUSABLE. */
export function folderOwner(path: string, files: FolderFiles): number | null {
  return look(`${path}/.`, files)?.uid ?? null;
}

/** One after the other: Node's own `recursive` never ends where the kernel makes no folders, as in /proc. */
function makeFolders(path: string, files: FolderFiles): void {
  let at = '';
  for (const name of partsOf(path)) {
    at = `${at}/${name}`;
    if (files.lstatSync(at, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      files.mkdirSync(at, 0o700);
    } catch (fault) {
      if ((fault as { code?: string }).code !== 'EEXIST') throw fault; // another banger made it
    }
  }
}

function look(path: string, files: FolderFiles): Found | undefined {
  try {
    return files.lstatSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw unusable(path, cause as Error);
  }
}

/** A group that has its user's number is the user's own, as Debian makes them; a umask of 002 relies on it. */
function othersWrite({ uid, gid, mode }: Found): boolean {
  return (mode & OTHERS_WRITE) !== 0 || ((mode & GROUP_WRITES) !== 0 && gid !== uid);
}

function partsOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function unsafe(path: string, at: string, why: string): BangerError {
  return new BangerError('FOLDER_UNSAFE', {
    message: `${at} ${why}, so somebody else could change what banger keeps in ${path}.`,
    hint: 'Take it back ("chown", "chmod go-w"), or set HOME and the XDG variables to folders of yours.',
    details: { path, at },
  });
}

function unusable(path: string, cause: Error): BangerError {
  return new BangerError('FOLDER_UNUSABLE', {
    message: `The folder ${path} cannot be made or used (${(cause as { code?: string }).code ?? cause.message}).`,
    hint: 'Set HOME and the XDG variables to folders that you can write to, or unset them.',
    details: { path },
    cause,
  });
}
