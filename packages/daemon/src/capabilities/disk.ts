/**
 * The vm's one writable disk: a sparse ext4 file. A large one is formatted small, and the agent grows the filesystem to
 * the size of the file at the next start; so it does after "vm set --disk-size".
 */
import { access, constants, lstat, truncate, writeFile } from 'node:fs/promises';
import { BangerError } from '@banger/contract/errors.ts';
import type { VmId } from '@banger/contract/names.ts';
import { formatSize } from '@banger/contract/sizes.ts';
import type { DriverAbilities } from '../hypervisor/hypervisor.ts';
import { runConfined } from '../platform/confine.ts';
import { freeBytes, isNoSpace, makePrivateFolder, removeTree } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import type { Task } from '../platform/task.ts';
import type { VmFolders } from '../store/vm-folders.ts';
import type { Capability } from './capability.ts';
import { endGivingBack, estimateGiveBack, giveBack } from './give-back.ts';

/** Below this much free space no new disk is made: the guest would meet a full disk within its first minutes */
const MIN_FREE_BYTES = 256 * 1024 * 1024;
/** What a new disk is formatted to at most: it costs a few milliseconds here, and growing costs ten times that there */
const FORMAT_BYTES = 8 * 1024 ** 3;
// No resize inode: it takes room for a growth of a thousandfold at most, and ext4 grows without it. One large flex group
// keeps the metadata together, which is what makes formatting and growing fast.
const MKFS_OPTIONS =
  '-q -F -m 0 -b 4096 -O ^resize_inode -G 512 -J size=32 -L banger -E lazy_itable_init=1,lazy_journal_init=1,nodiscard'.split(
    ' ',
  );

type VmDisk = { id: VmId; name: string; diskBytes: number };

export function createDiskCapability({ folders, log }: { folders: VmFolders; log: Log }) {
  /** Those that something which gives back space may still be at, though it was killed: the host waits for their drive */
  const mayBeAtWork = new Set<string>();
  return {
    ...{ name: 'disk', holdsFiles: true },
    ...{ create, remove, prepare, tidy, sweep, resize, estimate },
  } satisfies Capability & { estimate: unknown };

  async function create(task: Task, { id, diskBytes }: { id: VmId; diskBytes: number }): Promise<void> {
    const { data, disk } = folders.of(id);
    try {
      await makePrivateFolder(data);
      const free = await freeBytes(data);
      if (free < MIN_FREE_BYTES) throw diskFull(data, free);
      await writeFile(disk, '', { mode: 0o600 });
      await truncate(disk, Math.min(FORMAT_BYTES, diskBytes));
      await runConfined(task, ['mkfs.ext4', ...MKFS_OPTIONS, disk], {
        writable: [disk],
        limits: { fileBytes: FORMAT_BYTES },
      });
      await truncate(disk, diskBytes);
    } catch (fault) {
      const free = isNoSpace(fault) ? await freeBytes(folders.data) : Number.POSITIVE_INFINITY;
      throw free < MIN_FREE_BYTES ? diskFull(data, free, fault) : fault; // with so much space left, it lacks inodes
    }
  }

  async function remove({ id }: { id: VmId }): Promise<void> {
    await removeTree(folders.of(id).data);
  }

  async function prepare(_task: Task, vm: VmDisk) {
    const { disk } = folders.of(vm.id);
    await sizeOf(disk, vm);
    await endWork([disk]);
    return { drives: [{ path: disk, readOnly: false }] };
  }

  async function tidy(task: Task, vm: VmDisk, { givesBackSpace }: DriverAbilities): Promise<void> {
    if (givesBackSpace) return;
    const { disk } = folders.of(vm.id);
    await sizeOf(disk, vm);
    const given = await giveBack(task, disk).catch((fault) => {
      if (fault instanceof BangerError && fault.code === 'PROCESS_STUCK') mayBeAtWork.add(disk);
      throw fault;
    });
    if ('obstacle' in given) log.info(`vm ${vm.name}: its disk keeps what was deleted, since ${given.obstacle}`);
    else if (given.bytes > 0) log.info(`vm ${vm.name}: its disk gave back ${formatSize(given.bytes)}`);
  }

  /** About what the next shutdown gives back of what was deleted, in bytes by name, where it is worth telling. */
  async function estimate(task: Task, vms: readonly VmDisk[]): Promise<Map<string, number>> {
    const nameOf = new Map(vms.map(({ id, name }) => [folders.of(id).disk, name]));
    const estimates = await estimateGiveBack(task, [...nameOf.keys()]);
    return new Map([...estimates].map(([disk, bytes]) => [nameOf.get(disk) as string, bytes]));
  }

  async function sweep(known: ReadonlySet<VmId>): Promise<void> {
    const disks = [...known].map((id) => folders.of(id).disk);
    for (const disk of disks) mayBeAtWork.add(disk); // what a daemon that was killed has begun
    await endWork(disks);
  }

  /** Nothing costs a start time but what may really be there. Throws PROCESS_STUCK. */
  async function endWork(disks: readonly string[]): Promise<void> {
    const left = new Set(disks.filter((disk) => mayBeAtWork.has(disk)));
    if (left.size > 0) await endGivingBack(left);
    for (const disk of left) mayBeAtWork.delete(disk);
  }

  async function resize(_task: Task, { id, diskBytes }: VmDisk, before: VmDisk): Promise<void> {
    const { disk } = folders.of(id);
    const size = await sizeOf(disk, before);
    await endWork([disk]);
    if (diskBytes < size) {
      throw new BangerError('DISK_SHRINK', {
        message: `The disk has ${formatSize(size)}; it cannot shrink to ${formatSize(diskBytes)}.`,
        hint: 'A disk takes only what is written to it: a large one costs nothing until it is used.',
      });
    }
    await truncate(disk, diskBytes);
  }
}

/** In bytes, of a disk that is what was made. Throws DISK_MISSING, DISK_DAMAGED, or what it takes to open it. */
async function sizeOf(disk: string, { name, diskBytes }: Pick<VmDisk, 'name' | 'diskBytes'>): Promise<number> {
  const found = await lstat(disk).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' ? missing(disk, name, cause) : cause;
  });
  if (!found.isFile()) throw damaged(disk, name, `is ${found.isSymbolicLink() ? 'a link' : 'no file any more'}`);
  if (found.size < diskBytes)
    throw damaged(disk, name, `has ${formatSize(found.size)} of its ${formatSize(diskBytes)}`);
  await access(disk, constants.R_OK | constants.W_OK);
  return found.size;
}

function missing(path: string, vm: string, cause: unknown): BangerError {
  return new BangerError('DISK_MISSING', {
    message: `The disk of "${vm}" is not there: ${path}.`,
    hint: `Is its filesystem mounted? If the disk is lost for good, "banger vm rm ${vm}" forgets the vm.`,
    details: { vm, path },
    cause,
  });
}

function damaged(path: string, vm: string, what: string): BangerError {
  return new BangerError('DISK_DAMAGED', {
    message: `The disk of "${vm}" ${what}: ${path}.`,
    hint: `Put the file itself back there, whole. If it is lost for good, "banger vm rm ${vm}" forgets the vm.`,
    details: { vm, path },
  });
}

function diskFull(path: string, free: number, cause?: unknown): BangerError {
  return new BangerError('DISK_FULL', {
    message: `The filesystem of ${path} has ${formatSize(free)} left; a new disk needs ${formatSize(MIN_FREE_BYTES)}.`,
    hint: 'Free some space, or remove vms and images that you no longer need.',
    details: { path, freeBytes: free },
    cause,
  });
}
