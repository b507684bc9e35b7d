/** Which name stands for which kernel; as with images, vms keep the digest that they were made from. */
import type { DatabaseSync } from 'node:sqlite';

export type KernelRecord = {
  name: string;
  digest: string;
  /** What `uname -r` says */
  release: string;
  source: 'catalog' | 'import';
  sizeBytes: number;
  createdAt: string;
};

export type KernelRecords = ReturnType<typeof createKernelRecords>;

export function createKernelRecords(database: DatabaseSync) {
  const columns = 'name, digest, release, source, size_bytes AS sizeBytes, created_at AS createdAt';
  const all = database.prepare(`SELECT ${columns} FROM kernels ORDER BY name`);
  const one = database.prepare(`SELECT ${columns} FROM kernels WHERE name = ?`);
  const put = database.prepare(
    `INSERT OR REPLACE INTO kernels (name, digest, release, source, size_bytes, created_at)
     VALUES (:name, :digest, :release, :source, :sizeBytes, :createdAt)`,
  );
  const remove = database.prepare('DELETE FROM kernels WHERE name = ?');
  return {
    list: () => all.all() as KernelRecord[],
    find: (name: string) => (one.get(name) as KernelRecord | undefined) ?? null,
    put: (record: KernelRecord) => void put.run(record),
    remove: (name: string) => void remove.run(name),
  };
}
