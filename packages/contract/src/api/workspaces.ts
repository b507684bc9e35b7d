/** A git repository brought into a vm, and its changes brought back. Paths are absolute. */
import { z } from 'zod';
import { queryFlag } from './query-flag.ts';

const path = z.string().min(1).max(4096).startsWith('/');
/** What git accepts is checked by git; this keeps options and control characters out of its arguments. */
const gitName = z
  .string()
  .min(1)
  .max(250)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  .regex(/^[^-\u0000-\u0020\u007f][^\u0000-\u0020\u007f]*$/);

const source = {
  /** A folder of the repository on the host */
  repo: path,
  /** A commit, branch or tag instead of what is checked out; nothing uncommitted travels then */
  ref: gitName.optional(),
  /** Also files that git neither tracks nor ignores */
  includeUntracked: z.boolean().default(false),
  /** Leave the folders of submodules empty, rather than refuse */
  skipSubmodules: z.boolean().default(false),
};

export const workspacePlanSchema = z.strictObject({
  ...source,
  /** Name every file, not only their number */
  listFiles: z.boolean().default(false),
  /** Keep what was read for a while, for an import of the same source */
  keep: z.boolean().default(false),
});

export const workspaceImportSchema = z.strictObject({
  ...source,
  /** The folder in the guest; one with the repository's name in the user's home when it is left out */
  at: path.optional(),
  /** Name or number of who the files are for; root, or whose home `at` is in, when it is left out */
  user: z.string().min(1).max(64).optional(),
  history: z.enum(['shallow', 'full']).default('shallow'),
  /** What a plan has kept, to be brought in as it was read then; read anew when it is not there any more */
  kept: z.string().max(64).optional(),
  /** Overwrite what was changed in the guest */
  force: z.boolean().default(false),
});

/** Where the repository is now, when it was moved since it was brought in */
const movedTo = path.optional();

/** Which workspace of the vm; may be left out while it has only one */
export const workspaceQuerySchema = z.strictObject({
  at: path.optional(),
  repo: movedTo,
  /** To be applied, and so checked to be safe; else only to be looked at */
  patch: queryFlag,
});

export const workspaceExportSchema = z.strictObject({
  at: path.optional(),
  repo: movedTo,
  branch: gitName,
  /** Move the branch when there is one of this name */
  force: z.boolean().default(false),
});

export const workspacePlannedSchema = z.object({
  repo: z.string(),
  name: z.string(),
  /** The commit that the files are based on; null while the repository has none */
  base: z.string().nullable(),
  branch: z.string().nullable(),
  /** Where the folder that was named lies below the top, when anything in it travels; else empty */
  subfolder: z.string(),
  /** The files as they are now, as a git tree */
  tree: z.string(),
  files: z.int(),
  sizeBytes: z.number(),
  /** Files that differ from the base */
  changed: z.int(),
  notes: z.array(z.string()),
  /** Names what was kept, for the import; null when that was not asked for */
  kept: z.string().nullable(),
  /** Null unless they were asked for */
  entries: z.array(z.object({ path: z.string(), sizeBytes: z.number(), mode: z.string() })).nullable(),
});

export const workspaceSchema = z.object({
  vm: z.string(),
  /** In the guest */
  path: z.string(),
  repo: z.string(),
  base: z.string().nullable(),
  tree: z.string(),
  files: z.int(),
  sizeBytes: z.number(),
  /** Whether the guest has git, and so a history and a way back */
  hasGit: z.boolean(),
  importedAt: z.string(),
});

export const workspaceExportedSchema = z.object({
  branch: z.string(),
  /** Null when nothing was changed, and no branch made */
  commit: z.string().nullable(),
  commits: z.int(),
  files: z.int(),
  repo: z.string(),
});

export type WorkspacePlan = z.infer<typeof workspacePlannedSchema>;
export type Workspace = z.infer<typeof workspaceSchema>;
export type WorkspaceExport = z.infer<typeof workspaceExportedSchema>;
export type WorkspacePlanRequest = z.input<typeof workspacePlanSchema>;
export type WorkspaceImportRequest = z.input<typeof workspaceImportSchema>;
