/** What an image says of how its program is started: the part of an OCI image's configuration that counts for a vm. */
import { z } from 'zod';

/** Of one text: what Linux takes as one argument or variable, with its zero byte */
const MAX_TEXT_BYTES = 131_071;
const MAX_TEXTS = 4096;
const MAX_PATH_BYTES = 4095;
const MAX_USER_BYTES = 256;
/** Of all of it, as JSON */
const MAX_CONFIG_BYTES = 2 ** 20 - 1;

const byteLength = (text: string) => new TextEncoder().encode(text).length;
const text = (maxBytes: number) =>
  z
    .string()
    .refine((value) => !value.includes('\0'), 'it has a zero byte')
    .refine((value) => byteLength(value) <= maxBytes, `it is longer than ${maxBytes} bytes`);
const texts = z.array(text(MAX_TEXT_BYTES)).max(MAX_TEXTS);

export const imageConfigSchema = z
  .strictObject({
    /** `NAME=value` */
    env: z.array(text(MAX_TEXT_BYTES).regex(/^[^=]+=/s, 'it is not NAME=value')).max(MAX_TEXTS),
    /** A name or a number, or two with a colon between them, as the image's own /etc/passwd and /etc/group have them */
    user: text(MAX_USER_BYTES).min(1).nullable(),
    workingDir: text(MAX_PATH_BYTES).startsWith('/').nullable(),
    entrypoint: texts,
    command: texts,
    /** `SIGTERM`, `RTMIN+3` or a number */
    stopSignal: z
      .string()
      .regex(/^[A-Z0-9+-]{1,20}$/)
      .nullable(),
  })
  .refine(
    (config) => byteLength(JSON.stringify(config)) <= MAX_CONFIG_BYTES,
    `it takes more than ${MAX_CONFIG_BYTES} bytes`,
  );

export type ImageConfig = z.infer<typeof imageConfigSchema>;
