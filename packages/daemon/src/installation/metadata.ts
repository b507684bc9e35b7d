/** What an installation says of itself, in one file, which the root helper reads too. */
import { digestSchema } from '@banger/contract/api/images.ts';
import { z } from 'zod';
import type { Content } from './place-files.ts';

export const METADATA = '/etc/banger/install.json';

export const accountSchema = z.object({
  name: z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_.-]{0,63}$/),
  uid: z
    .int()
    .min(1)
    .max(2 ** 32 - 2),
  home: z.string().startsWith('/'),
});

/** Unknown keys are a newer banger's, and are kept by nobody: an older one refuses by the version of the state. */
export const metadataSchema = z.object({
  version: z.string(),
  /** Of the state that this banger writes: one that knows fewer is not put in its place */
  stateVersion: z.int(),
  owner: accountSchema,
  installedAt: z.iso.datetime(),
  /** Not yet while it is begun: after a power cut it is to be done again, or taken away */
  isComplete: z.boolean(),
  /** By the install, so that the uninstall takes it back */
  hasEnabledLinger: z.boolean(),
  /** Each with what was written to it */
  files: z.array(z.object({ path: z.string().startsWith('/'), digest: digestSchema })),
});

export type Account = z.infer<typeof accountSchema>;
export type Metadata = z.infer<typeof metadataSchema>;

export function pathsOf(metadata: Metadata | null): string[] {
  return metadata?.files.map(({ path }) => path) ?? [];
}

/** One that a newer banger did not write is taken away after its own are there. */
export function unite(after: Metadata, before: Metadata | null): Metadata['files'] {
  const paths = new Set(after.files.map(({ path }) => path));
  return [...after.files, ...(before?.files ?? []).filter(({ path }) => !paths.has(path))];
}

/** Of logind's, for those who linger */
export function lingerFile(name: string): string {
  return `/var/lib/systemd/linger/${name}`;
}

export function contentOf(metadata: Metadata): Content {
  return { bytes: Buffer.from(`${JSON.stringify(metadata, null, 2)}\n`), mode: 0o644 };
}
