/** Which name stands for which kernel; as with images, vms keep the digest that they were made from. */
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { createTable } from '../table.ts';
import type { Writes } from '../writes.ts';
import { createNamedRecords, namedFields } from './named.ts';

const kernelRecordSchema = z.object({
  ...namedFields,
  /** What `uname -r` says */
  release: z.string(),
});

export type KernelRecord = z.infer<typeof kernelRecordSchema>;
export type KernelRecords = ReturnType<typeof createKernelRecords>;

export function createKernelRecords(database: DatabaseSync, writes: Writes) {
  return createNamedRecords(
    createTable<KernelRecord>({ database, writes, name: 'kernels', key: ['name'], schema: kernelRecordSchema }),
  );
}
