/**
 * The state's schema, as steps that are applied in order and never changed once released.
 * `PRAGMA user_version` counts the steps that a database has seen.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE images (
    name        TEXT PRIMARY KEY,
    digest      TEXT NOT NULL,
    source      TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    created_at  TEXT NOT NULL
  ) STRICT;

  CREATE TABLE kernels (
    name        TEXT PRIMARY KEY,
    digest      TEXT NOT NULL,
    release     TEXT NOT NULL,
    source      TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    created_at  TEXT NOT NULL
  ) STRICT;

  CREATE TABLE vms (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    state          TEXT NOT NULL,  -- JSON: VmRecordState
    fault          TEXT,           -- JSON: VmFault
    image_name     TEXT NOT NULL,
    image_digest   TEXT NOT NULL,
    kernel_name    TEXT NOT NULL,
    kernel_digest  TEXT NOT NULL,
    cpus           INTEGER NOT NULL,
    memory_bytes   INTEGER NOT NULL,
    disk_bytes     INTEGER NOT NULL,
    ephemeral      INTEGER NOT NULL,
    machine_id     TEXT NOT NULL,
    created_at     TEXT NOT NULL
  ) STRICT;
  `,
];
