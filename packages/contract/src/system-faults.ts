/**
 * What the system says when it cannot give what banger asks for, as codes of ours: a disk that is full, a limit that is
 * reached. Read from an error of Node's (`code`), of SQLite's (`errcode`), or from the words of another program.
 */
import type { ErrorCode } from './errors.ts';

export type SystemFault = { code: ErrorCode; message: string; hint: string };

type Entry = {
  code: ErrorCode;
  errno: readonly string[];
  /** SQLite's result codes */
  sqlite?: readonly number[];
  words?: RegExp;
  what: string;
  hint: string;
};

/** What SQLite says of an index for its log that found no room, and of a full disk */
const [SQLITE_IOERR_SHMSIZE, SQLITE_FULL] = [4874, 13];

const FAULTS: readonly Entry[] = [
  {
    code: 'DISK_FULL',
    errno: ['ENOSPC'],
    sqlite: [SQLITE_FULL],
    words: /no space left on device|database or disk is full/i,
    what: 'There is no room on the disk',
    hint: '"banger system df" shows what takes space, "banger system prune" removes what no vm needs. Where "df -h" finds room, "df -i" may find no inodes.',
  },
  {
    code: 'DISK_QUOTA',
    errno: ['EDQUOT'],
    words: /disk quota exceeded/i,
    what: 'Your quota on the disk is used up',
    hint: '"quota -s" shows it. "banger system prune" removes what no vm needs; XDG_DATA_HOME can point to another disk.',
  },
  {
    code: 'DISK_READ_ONLY',
    errno: ['EROFS'],
    sqlite: [8],
    words: /read-only file system/i,
    what: 'The filesystem can only be read',
    hint: 'Mount it for writing, or point XDG_STATE_HOME, XDG_DATA_HOME and XDG_CACHE_HOME elsewhere. A disk that fails is made read-only by the kernel: "dmesg" tells.',
  },
  {
    code: 'DISK_FAILED',
    errno: ['EIO'],
    sqlite: [10],
    words: /input\/output error/i,
    what: 'The disk could not be read or written',
    hint: '"dmesg" tells whether the disk fails; "quota -s" and "ulimit -f" whether a limit of yours is reached.',
  },
  {
    code: 'FILE_TOO_LARGE',
    errno: ['EFBIG'],
    words: /file too large/i,
    what: 'A file would be larger than is allowed',
    hint: '"ulimit -f" shows your limit; a filesystem has one too (4G on FAT). XDG_DATA_HOME can point to another one.',
  },
  {
    code: 'TOO_MANY_FILES',
    errno: ['EMFILE', 'ENFILE'],
    words: /too many open files/i,
    what: 'Too many files are open',
    hint: '"ulimit -n" shows the limit of a program, "sysctl fs.file-nr" that of the host. Fewer machines and commands at once need fewer.',
  },
  {
    code: 'NOT_ENOUGH_MEMORY',
    errno: ['ENOMEM'],
    sqlite: [7],
    words: /cannot allocate memory/i,
    what: 'The host gives no more memory',
    hint: '"free -h" shows what is left, "ulimit -v" your own limit. Stop a vm, or give one less with "banger vm set --memory".',
  },
  {
    code: 'HOST_EXHAUSTED',
    errno: [],
    words: /^spawn .*EAGAIN$/,
    what: 'No further program can be started',
    hint: '"ulimit -u" shows how many processes you may have, "sysctl kernel.pid_max" how many the host. End some and try again.',
  },
  {
    code: 'ACCESS_DENIED',
    errno: ['EACCES', 'EPERM'],
    what: 'A file or folder may not be used',
    hint: '"ls -ld" shows whose it is. The folders of banger must be yours; sudo makes them root\'s.',
  },
  {
    code: 'FOLDER_UNUSABLE',
    errno: ['ENOTDIR', 'EISDIR', 'ERR_FS_EISDIR', 'ELOOP', 'ENXIO', 'ESTALE', 'ENOTCONN'],
    what: 'Something else is where a file or a folder should be',
    hint: '"ls -ld" shows what it is: move it away, or mount again what is mounted there.',
  },
];

/** Null for what is no such fault. */
export function findSystemFault(thrown: unknown): SystemFault | null {
  if (!(thrown instanceof Error)) return null;
  const { code, errcode, path, syscall = '' } = thrown as Error & Partial<Record<string, unknown>>;
  const result = typeof errcode === 'number' ? resultOf(errcode) : null;
  const found =
    FAULTS.find(({ errno }) => typeof code === 'string' && errno.includes(code)) ??
    FAULTS.find(({ sqlite }) => result !== null && sqlite?.includes(result)) ??
    FAULTS.find(({ words }) => words?.test(thrown.message));
  if (!found) return null;
  const isStart = String(syscall).startsWith('spawn'); // its path is a program, which is not what is wrong
  const where = typeof path === 'string' && !isStart ? `: ${path}` : ` (${thrown.message.replace(/\.$/, '')})`;
  return { code: found.code, message: `${found.what}${where}.`, hint: found.hint };
}

/** The lower eight bits; above them there is more detail. */
function resultOf(errcode: number): number {
  return errcode === SQLITE_IOERR_SHMSIZE ? SQLITE_FULL : errcode & 0xff;
}
