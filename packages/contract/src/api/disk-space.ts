/** What banger takes on the host's disk, and what of it can go. */
import { z } from 'zod';

const diskUse = z.object({
  /** `builder`: the vm that images are built in, with its cache; `leftover`: sockets of vms that are gone; `unrecorded`: a folder that the state knows nothing of */
  kind: z.enum(['vm', 'builder', 'image', 'kernel', 'hypervisor', 'cache', 'leftover', 'unrecorded']),
  /** Of the vm, image, kernel or hypervisor; where it lies, for what is unrecorded; what it is, for the rest */
  name: z.string(),
  /** Allocated, which for a sparse disk is less than its size */
  bytes: z.number(),
  /** Names of the vms that need it */
  usedBy: z.array(z.string()),
  /** What an unrecorded folder says that it is, as "the vm web"; else null */
  describes: z.string().nullable(),
  /** About how much of it a vm has deleted, and gives back when it next shuts down; null where that is little or unknown */
  comesBackBytes: z.number().nullable(),
});

export const diskSpaceSchema = z.object({
  uses: z.array(diskUse),
  totalBytes: z.number(),
  /** On the filesystem of the data folder */
  freeBytes: z.number(),
});

export const pruneSchema = z.strictObject({
  /** Only say what would go */
  dryRun: z.boolean().default(false),
  /** Imported images and kernels too, which cannot be fetched again, and the defaults */
  all: z.boolean().default(false),
  /** Of what would go, the images alone */
  onlyImages: z.boolean().default(false),
  /** Exactly these unrecorded folders, and nothing else */
  names: z.array(z.string().min(1).max(512)).max(1000).default([]),
});

export const pruneResultSchema = z.object({ removed: z.array(diskUse), bytes: z.number(), dryRun: z.boolean() });

export type DiskUse = z.infer<typeof diskUse>;
export type DiskSpace = z.infer<typeof diskSpaceSchema>;
export type PruneResult = z.infer<typeof pruneResultSchema>;
