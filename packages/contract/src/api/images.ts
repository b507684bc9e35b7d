/** Images and kernels, as the owner API shows them. */
import { z } from 'zod';
import { isDigest } from '../digest.ts';
import { MAX_REGISTRY_VARIABLE, PULL_CHOICES, REGISTRY_VARIABLES } from '../registry-access.ts';
import { imageConfigSchema } from './image-config.ts';
import { queryFlag } from './query-flag.ts';

export const digestSchema = z.string().refine(isDigest, 'it is no digest');

/** The canonical name that an image was pulled by, and what it meant then: the digest of the manifest for linux/amd64 */
export const pulledSchema = z.object({ ref: z.string().max(1024), manifestDigest: digestSchema });

export const imageSchema = z.object({
  /** A plain name, or the familiar text of a reference: "python:3.14" */
  name: z.string(),
  /** Of the read-only base file, and of `config` where there is one; null while the entry is only in the catalog */
  digest: digestSchema.nullable(),
  description: z.string(),
  source: z.enum(['catalog', 'import', 'registry']),
  /** Null unless it came from a registry */
  pulled: pulledSchema.nullable(),
  /** Bytes of the base file */
  sizeBytes: z.number().nullable(),
  /** What its folder takes on the host's disk, once for all the names that it has */
  allocatedBytes: z.number().nullable(),
  /** The other names of this digest, which share all that it takes */
  sharedWith: z.array(z.string()),
  createdAt: z.string().nullable(),
  /** Names of the vms that were made from this digest */
  usedBy: z.array(z.string()),
  isDefault: z.boolean(),
  /** What it says of running it; null where it says nothing */
  config: imageConfigSchema.nullable(),
});

export const kernelSchema = z.object({
  name: z.string(),
  digest: digestSchema.nullable(),
  /** What `uname -r` says */
  release: z.string().nullable(),
  description: z.string(),
  source: z.enum(['catalog', 'import']),
  sizeBytes: z.number().nullable(),
  createdAt: z.string().nullable(),
  usedBy: z.array(z.string()),
  isDefault: z.boolean(),
});

export const pullSchema = z.strictObject({ name: z.string(), force: z.boolean().default(false) });

/** Where the caller's credentials and certificates are, by the variables that say so */
export const registryAccessSchema = z.partialRecord(
  z.enum(REGISTRY_VARIABLES),
  z
    .string()
    .max(MAX_REGISTRY_VARIABLE)
    .refine((text) => !text.includes('\0'), 'it has a zero byte'),
);
export const pullChoiceSchema = z.enum(PULL_CHOICES);

export const imagePullSchema = z.strictObject({ ...pullSchema.shape, access: registryAccessSchema.default({}) });

/** Which of several images in an archive, by the name that it has in there */
const imageRefSchema = z.string().min(1).max(1000);

/** `path`s are absolute paths on the host, read with the daemon's own rights, which are the owner's. */
export const imageImportSchema = z.strictObject({ name: z.string(), path: z.string(), ref: imageRefSchema.optional() });
export const imagePutQuerySchema = z.strictObject({ ref: imageRefSchema.optional() });

/** More than fits into the head of a request */
const MAX_BUILD_ARGS = 8192;

export const imageBuildQuerySchema = z.strictObject({
  /** The stage to end with; the last unless it is said */
  target: z.string().min(1).max(255).optional(),
  noCache: queryFlag,
  /** Ask the registry for what it starts from, also where the builder has that already */
  pullAlways: queryFlag,
  /** Each NAME=value, with a zero byte between two */
  args: z
    .string()
    .max(MAX_BUILD_ARGS, `the arguments are longer than ${MAX_BUILD_ARGS} characters together`)
    .default(''),
  /** Of all that it is built from, for who builds it again only when that has changed; it can be pruned then */
  from: digestSchema.optional(),
});

export const imageBuiltQuerySchema = z.strictObject({ from: digestSchema });
export const imageBuiltSchema = z.object({
  /** Whether the image of this name was built from exactly that, and is there */
  isBuilt: z.boolean(),
});

export const kernelImportSchema = z.strictObject({
  name: z.string(),
  path: z.string(),
  modulesPath: z.string().optional(),
});

export type Image = z.infer<typeof imageSchema>;
export type Kernel = z.infer<typeof kernelSchema>;
