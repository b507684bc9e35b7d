/** What banger takes on the host's disk, and what of it can go. */
import { z } from 'zod';

export type DiskUse = {
  kind: 'vm' | 'image' | 'kernel' | 'cache' | 'leftover';
  /** Of the vm, image or kernel; what it is, for the rest */
  name: string;
  /** Allocated, which for a sparse disk is less than its size */
  bytes: number;
  /** Names of the vms that need it */
  usedBy: string[];
};

export type DiskSpace = {
  uses: DiskUse[];
  totalBytes: number;
  /** On the filesystem of the data folder */
  freeBytes: number;
};

export const pruneSchema = z.strictObject({
  /** Only say what would go */
  dryRun: z.boolean().default(false),
  /** Imported images and kernels too, which cannot be fetched again */
  all: z.boolean().default(false),
});

export type Prune = z.input<typeof pruneSchema>;
export type PruneResult = { removed: DiskUse[]; bytes: number; dryRun: boolean };
