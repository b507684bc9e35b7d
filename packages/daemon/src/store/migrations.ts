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
  `
  CREATE TABLE workspaces (
    vm_id        TEXT NOT NULL REFERENCES vms (id) ON DELETE CASCADE,
    path         TEXT NOT NULL,  -- in the guest
    repo_path    TEXT NOT NULL,
    base_commit  TEXT,           -- null: the repository had no commit yet
    tree         TEXT NOT NULL,  -- what was brought in, uncommitted changes included
    has_git      INTEGER NOT NULL,
    imported_at  TEXT NOT NULL,
    PRIMARY KEY (vm_id, path)
  ) STRICT;
  `,
  `
  ALTER TABLE vms ADD COLUMN publish TEXT NOT NULL DEFAULT '[]'; -- JSON: what vmFactsSchema says
  `,
  `
  ALTER TABLE vms ADD COLUMN host_ports TEXT NOT NULL DEFAULT '[]'; -- JSON: what vmFactsSchema says
  `,
  `
  ALTER TABLE vms ADD COLUMN driver TEXT NOT NULL DEFAULT 'auto';
  `,
  `
  ALTER TABLE vms ADD COLUMN network TEXT NOT NULL DEFAULT 'auto';
  ALTER TABLE vms ADD COLUMN allow TEXT NOT NULL DEFAULT '[]'; -- JSON: what vmFactsSchema says
  ALTER TABLE vms ADD COLUMN place TEXT;                       -- JSON: likewise
  `,
  `
  ALTER TABLE vms ADD COLUMN autostart INTEGER NOT NULL DEFAULT 0;
  `,
  `
  ALTER TABLE images ADD COLUMN config TEXT; -- JSON: ImageConfig
  `,
  `
  ALTER TABLE images ADD COLUMN pulled TEXT; -- JSON: pulledSchema
  `,
];
