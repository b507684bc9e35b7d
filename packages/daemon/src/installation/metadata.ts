/** What an installation says of itself, in one file, which the root helper reads too. */
import { digestSchema } from '@banger/contract/api/images.ts';
import { z } from 'zod';

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
