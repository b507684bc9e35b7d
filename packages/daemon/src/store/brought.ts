/**
 * What banger itself has brought into a vm from its owner's home and host, since the vm was made: no image of it is to have
 * that. It stands in the vm's folder and not in the state, since it is written before each thing is brought in, and lies
 * as long as the disk does.
 */
import { existsSync } from 'node:fs';
import { BangerError } from '@banger/contract/errors.ts';
import type { VmId } from '@banger/contract/names.ts';
import { z } from 'zod';
import { readSmallFile, writeFileDurably } from '../platform/files.ts';
import type { VmFolders } from './vm-folders.ts';

/** Far more than all that many starts with different configs bring in */
const MAX_BYTES = 64 * 2 ** 20;

const broughtSchema = z.object({
  v: z.literal(1),
  /** Names in the guest, without a slash before them */
  files: z.array(z.string()),
  hasTimeZone: z.boolean(),
});

export type Brought = Omit<z.infer<typeof broughtSchema>, 'v'>;

export type BroughtFiles = ReturnType<typeof createBrought>;

export function createBrought({ folders }: { folders: VmFolders }) {
  return { read, note };

  /** Null where nothing was noted, as of a vm of an older banger. Throws FILE_NOT_FOUND where it cannot be told any more. */
  function read(id: VmId): Brought | null {
    const path = folders.of(id).brought;
    if (!existsSync(path)) return null;
    try {
      const { files, hasTimeZone } = broughtSchema.parse(JSON.parse(readSmallFile(path, MAX_BYTES)));
      return { files, hasTimeZone };
    } catch (cause) {
      throw unreadable(path, cause);
    }
  }

  /**
   * Besides what was noted before; durable when it resolves. Of a vm that nobody keeps nothing is noted, and what cannot be
   * read stays as it is, for whoever asks to be told: it keeps no vm from starting.
   */
  async function note(vm: { id: VmId; ephemeral: boolean }, more: Partial<Brought>): Promise<void> {
    const before = vm.ephemeral ? 'unknown' : tryRead(vm.id);
    if (before === 'unknown') return;
    const files = [...new Set([...(before?.files ?? []), ...(more.files ?? [])])];
    const hasTimeZone = (before?.hasTimeZone ?? false) || (more.hasTimeZone ?? false);
    if (files.length === before?.files.length && hasTimeZone === before.hasTimeZone) return;
    await writeFileDurably(folders.of(vm.id).brought, `${JSON.stringify({ v: 1, files, hasTimeZone })}\n`);
  }

  function tryRead(id: VmId): Brought | null | 'unknown' {
    try {
      return read(id);
    } catch {
      return 'unknown';
    }
  }
}

function unreadable(path: string, cause: unknown): BangerError {
  return new BangerError('FILE_NOT_FOUND', {
    message: `What was brought into the vm of your files cannot be told any more: ${path} is damaged.`,
    hint: 'Remove the file if none of them is secret; then the config says what was brought in.',
    details: { path },
    cause,
  });
}
