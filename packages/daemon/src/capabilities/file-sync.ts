/**
 * Copies the files that the user's config names from the owner's home into a vm, each time it starts.
 *
 * They are read before the machine boots, so that a wrong entry is told at once, and unpacked when its agent answers.
 * Nothing comes back: what the guest does with its copies stays there.
 */
import { Readable } from 'node:stream';
import type { FileSync } from '@banger/contract/api/config.ts';
import type { VmId } from '@banger/contract/names.ts';
import { type PackedEntry, packTar } from '@banger/contract/tar/pack-tar.ts';
import type { Task } from '../platform/task.ts';
import type { BroughtFiles } from '../store/brought.ts';
import type { VmRecord } from '../store/records/vms.ts';
import type { Capability } from './capability.ts';
import { newBudget, readHomeFiles } from './read-home-files.ts';

/** A guest that takes longer to unpack a few megabytes is stuck, or stalls on purpose */
const UNPACK_LIMIT_MS = 30_000;

type FileSyncParts = {
  home: string;
  /** Throws CONFIG_INVALID. */
  readWanted: () => Promise<FileSync[]>;
  brought: Pick<BroughtFiles, 'note'>;
  now: () => Date;
};

export function createFileSyncCapability({ home, readWanted, brought, now }: FileSyncParts): Capability {
  const prepared = new Map<VmId, PackedEntry[]>();
  return {
    name: 'file sync',
    async prepare(task, { id }) {
      const entries = await readAll(task);
      if (entries.length > 0) prepared.set(id, entries);
      return {};
    },
    async release({ id }) {
      prepared.delete(id);
    },
    async finish(task, vm: VmRecord, guest) {
      const { id } = vm;
      const entries = prepared.get(id);
      if (!entries) return;
      prepared.delete(id);
      task.step('copy your files');
      const files = entries.filter((entry) => entry.is === 'file').map(({ path }) => path);
      await brought.note(vm, { files });
      const limited = task.within(UNPACK_LIMIT_MS);
      await guest.writeTar(limited, '/', Readable.from([packTar(entries, now())]), { owner: 'root' });
    },
  };

  async function readAll(task: Task): Promise<PackedEntry[]> {
    const budget = newBudget();
    const entries: PackedEntry[] = [];
    for (const { from, to, mode } of await readWanted()) {
      const found = await readHomeFiles({ home, from, to: to.slice(1), mode }, budget);
      if (found === null) task.note(`${from} is not there, so it is not copied into the vm.`);
      else entries.push(...found);
    }
    return entries;
  }
}
