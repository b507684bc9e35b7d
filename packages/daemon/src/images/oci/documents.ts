/** The documents of an OCI image, and of what Docker saves, as far as they count here. Others wrote them: all is bounded. */
import { digestSchema } from '@banger/contract/api/images.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import type { Digest } from '@banger/contract/digest.ts';
import { z } from 'zod';
import { digestBytes } from '../../platform/files.ts';
import { type Refuse, readSpan, type Span } from './span.ts';

/** What registries take for one, and skopeo too */
export const MAX_DOCUMENT_BYTES = 4 * 2 ** 20;
const MAX_MANIFESTS = 1000;
const MAX_LAYERS = 1000;
const MAX_BLOB_BYTES = 2 ** 40;

const word = z.string().max(1000);
const texts = z.array(z.string());

const descriptorSchema = z.object({
  mediaType: word.default(''),
  digest: digestSchema,
  size: z.int().min(0).max(MAX_BLOB_BYTES),
  annotations: z.record(word, z.string()).nullish(),
  platform: z.object({ os: word.default(''), architecture: word.default(''), variant: word.nullish() }).nullish(),
});
export type Descriptor = z.infer<typeof descriptorSchema>;

export const indexSchema = z.object({ manifests: z.array(descriptorSchema).max(MAX_MANIFESTS) });

export const manifestSchema = z.object({
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(MAX_LAYERS),
});

export const configSchema = z.object({
  os: word.nullish(),
  architecture: word.nullish(),
  config: z
    .object({
      Env: texts.nullish(),
      User: z.string().nullish(),
      WorkingDir: z.string().nullish(),
      Entrypoint: z.union([texts, z.string()]).nullish(),
      Cmd: z.union([texts, z.string()]).nullish(),
      StopSignal: z.string().nullish(),
    })
    .nullish(),
  rootfs: z.object({ diff_ids: z.array(digestSchema).max(MAX_LAYERS) }),
});
export type ConfigDocument = z.infer<typeof configSchema>;

/** The manifest.json of an archive that `docker save` wrote */
export const savedSchema = z
  .array(
    z.object({
      Config: word,
      RepoTags: z.array(word).max(MAX_MANIFESTS).nullish(),
      Layers: z.array(word).max(MAX_LAYERS),
    }),
  )
  .min(1)
  .max(MAX_MANIFESTS);

type Reading<Value> = {
  /** In words, as the beginning of a sentence */
  what: string;
  schema: z.ZodType<Value>;
  /** What it has to be, where somebody says so */
  digest: Digest | null;
};

/** Throws what `refuse` makes of one that is too large, not what its digest says, or not understood. */
export async function readDocument<Value>(
  span: Span,
  { what, schema, digest }: Reading<Value>,
  refuse: Refuse,
): Promise<Value> {
  if (span.bytes > MAX_DOCUMENT_BYTES) throw refuse(`${what} has more than ${MAX_DOCUMENT_BYTES} bytes`);
  const bytes = await readSpan(span, refuse);
  if (digest !== null && digestBytes(bytes) !== digest) {
    throw refuse(`${what} is not what its digest ${digest} says: it was damaged or changed`);
  }
  const parsed = schema.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refuse(`${what} is not understood: ${cleanQuote(`${issue?.path.join('.') || 'it'}: ${issue?.message}`, 200)}`);
}

/** Undefined for what is no JSON, which no schema takes. */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
