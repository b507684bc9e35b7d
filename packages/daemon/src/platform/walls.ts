/**
 * Walls around a program, made by bubblewrap: it sees the host's programs and libraries and the files that it was given,
 * nothing of the home; it has no network, no other process, and no power.
 *
 * This decides what the walls are and finds out whether this host gives them. What stands behind them is up to others:
 * confine.ts for what reads a stranger's bytes, hypervisor/shut-in.ts for machines.
 */
import { BangerError } from '@banger/contract/errors.ts';
import { requireTool } from './find-tool.ts';
import { ProcessFailure, runProcess } from './run-process.ts';
import type { Task } from './task.ts';

export type View = {
  /** Files and folders that it may read, at the same path inside. They have to exist. */
  readable?: readonly string[];
  /** The same for those that it may change */
  writable?: readonly string[];
  /** Devices of the host that it may use, besides those that do nothing, such as /dev/null */
  devices?: readonly string[];
  /** Whether it is root over its own empty network, to make interfaces there, and over nothing else */
  ownsNetwork?: boolean;
  /** A /tmp of its own, of this size at most; none without it */
  tmpBytes?: number;
};

// Programs, their libraries, and the two files of /etc without which libraries are not found and mkfs.ext4 makes another
// filesystem than on the host.
const HOST_VIEW = ['/usr', '/bin', '/sbin', '/lib', '/lib64', '/etc/ld.so.cache', '/etc/mke2fs.conf'];

const ALL_APART = '--unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup-try'.split(' ');
const NO_MORE_NAMESPACES = '--disable-userns';
const WAYS = [
  ['--unshare-user', NO_MORE_NAMESPACES, ...ALL_APART],
  ALL_APART, // for root, where the host lets nobody make user namespaces
];

export type Walls = ReturnType<typeof createWalls>;

export const HOST_WALLS = createWalls(WAYS);
export const { findWallObstacle } = HOST_WALLS;

/** Whether a path is of the host's programs and libraries, which are there behind all walls */
export function isInHostView(path: string): boolean {
  return HOST_VIEW.some((shown) => path.startsWith(`${shown}/`));
}

/** Tests call it with ways of their own. */
export function createWalls(ways: readonly string[][]) {
  let provenWay: readonly string[] | null = null;
  let isToldOfNone = false;
  return { around, findWallObstacle };

  /**
   * The words that come before those of a program to put it behind walls, with more of bubblewrap's options; none, and a
   * note to the first task that meets it, on a host that gives no walls. Throws TOOL_MISSING and CANCELLED.
   */
  async function around(task: Task, view: View, options: readonly string[]): Promise<string[]> {
    const way = await findWay(task);
    return way ? [requireTool('bwrap'), ...powersOf(way, view), ...viewOf(view), ...options, '--'] : [];
  }

  /** Why this host gives no walls, in words; null when it does. */
  async function findWallObstacle(task: Task): Promise<string | null> {
    let obstacle = '';
    for (const way of ways) {
      const fault = await tryWay(task, way);
      if (fault === null) {
        provenWay = way;
        return null;
      }
      obstacle ||= fault;
    }
    return obstacle;
  }

  // A refusal is asked about again each time: it may have been for want of memory at that moment.
  async function findWay(task: Task): Promise<readonly string[] | null> {
    const obstacle = provenWay ? null : await findWallObstacle(task);
    if (obstacle !== null && !isToldOfNone) {
      isToldOfNone = true;
      task.note(
        `Machines, and programs that read images and repositories, run without walls on this host: ${obstacle}.`,
      );
    }
    return provenWay;
  }
}

async function tryWay(task: Task, way: readonly string[]): Promise<string | null> {
  try {
    await runProcess(task, [requireTool('bwrap'), ...powersOf(way, {}), ...viewOf({}), '--', 'true']);
    return null;
  } catch (fault) {
    if (fault instanceof ProcessFailure) return fault.stderr.trim() || fault.message;
    if (fault instanceof BangerError && fault.code === 'TOOL_MISSING') return 'bubblewrap is not installed';
    throw fault;
  }
}

// Who is not root inside, or sits in one more namespace, as the one that forbids others is, has no power over the network.
function powersOf(way: readonly string[], { ownsNetwork = false }: View): string[] {
  if (!ownsNetwork) return [...way, '--cap-drop', 'ALL'];
  const root = way.includes('--unshare-user') ? ['--uid', '0', '--gid', '0'] : [];
  return [
    ...way.filter((word) => word !== NO_MORE_NAMESPACES),
    ...root,
    ...['--cap-drop', 'ALL', '--cap-add', 'CAP_NET_ADMIN'],
    ...['--cap-add', 'CAP_SETPCAP'], // to give both up for good
  ];
}

function viewOf({ readable = [], writable = [], devices = [], tmpBytes }: View): string[] {
  const given = [
    ...readable.map((path) => ({ path, how: '--ro-bind' })),
    ...writable.map((path) => ({ path, how: '--bind' })),
  ].sort((one, other) => one.path.length - other.path.length); // what is inside another folder comes after it
  return [
    '--new-session',
    ...HOST_VIEW.flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--proc', '/proc', '--remount-ro', '/proc'], // root would own the host's settings in it
    ...['--dev', '/dev', ...devices.flatMap((path) => ['--dev-bind', path, path]), '--remount-ro', '/dev'],
    ...(tmpBytes === undefined ? [] : ['--size', String(tmpBytes), '--tmpfs', '/tmp']),
    ...given.flatMap(({ path, how }) => [how, path, path]),
    ...['--remount-ro', '/'],
  ];
}
