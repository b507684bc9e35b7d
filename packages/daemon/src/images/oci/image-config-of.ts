/** What an image's configuration says of running it, in our words. */
import { type ImageConfig, imageConfigSchema } from '@banger/contract/api/image-config.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';
import type { ConfigDocument } from './documents.ts';
import type { Refuse } from './span.ts';

const VARIABLE = /^[^=]+=/s;
const SIGNAL = /^[A-Z0-9+-]{1,20}$/;

/** Throws what `refuse` makes of one that is too large, or has what no program can be given. */
export function imageConfigOf({ config }: ConfigDocument, refuse: Refuse): ImageConfig {
  const parsed = imageConfigSchema.safeParse({
    env: (config?.Env ?? []).filter((variable) => VARIABLE.test(variable)),
    user: config?.User || null,
    workingDir: absolute(config?.WorkingDir ?? ''),
    entrypoint: argumentsOf(config?.Entrypoint),
    command: argumentsOf(config?.Cmd),
    stopSignal: signalOf(config?.StopSignal ?? ''),
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = cleanQuote(issue?.path.join('.') ?? '', 100);
  throw refuse(`What it says of running it cannot be: ${where && `${where}: `}${issue?.message}`);
}

function absolute(folder: string): string | null {
  if (folder === '') return null;
  return folder.startsWith('/') ? folder : `/${folder}`;
}

/** Older builders wrote a program without arguments as a mere text. */
function argumentsOf(given: string | string[] | null | undefined): string[] {
  return typeof given === 'string' ? [given] : (given ?? []);
}

/** One that is not understood is as none: the image can still be run. */
function signalOf(given: string): string | null {
  const signal = given.trim().toUpperCase();
  return SIGNAL.test(signal) ? signal : null;
}
