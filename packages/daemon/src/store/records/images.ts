/** Which name stands for which image. A name can move to a new digest; vms keep the digest that they were made from. */
import type { DatabaseSync } from 'node:sqlite';

export type ImageRecord = {
  name: string;
  digest: string;
  source: 'catalog' | 'import';
  sizeBytes: number;
  createdAt: string;
};

export type ImageRecords = ReturnType<typeof createImageRecords>;

export function createImageRecords(database: DatabaseSync) {
  const columns = 'name, digest, source, size_bytes AS sizeBytes, created_at AS createdAt';
  const all = database.prepare(`SELECT ${columns} FROM images ORDER BY name`);
  const one = database.prepare(`SELECT ${columns} FROM images WHERE name = ?`);
  const put = database.prepare(
    `INSERT OR REPLACE INTO images (name, digest, source, size_bytes, created_at)
     VALUES (:name, :digest, :source, :sizeBytes, :createdAt)`,
  );
  const remove = database.prepare('DELETE FROM images WHERE name = ?');
  return {
    list: () => all.all() as ImageRecord[],
    find: (name: string) => (one.get(name) as ImageRecord | undefined) ?? null,
    put: (record: ImageRecord) => void put.run(record),
    remove: (name: string) => void remove.run(name),
  };
}
