/** What an image says of running it, in words. All of it was chosen by who made the image. */
import type { ImageConfig } from '@banger/contract/api/image-config.ts';
import { cleanQuote } from '@banger/contract/clean-text.ts';

const MAX_CHARACTERS = 120;
const MAX_LINES = 40;

/** Facts for a table; what is long, or too many, is cut, and "--json" tells all. */
export function describeConfig(config: ImageConfig): [string, string][] {
  const { env, user, workingDir, entrypoint, command, stopSignal } = config;
  const variables = env.slice(0, MAX_LINES).map(cut);
  if (env.length > MAX_LINES) variables.push(`and ${env.length - MAX_LINES} more`);
  const facts: [string, string | null][] = [
    ['entrypoint', words(entrypoint)],
    ['command', words(command)],
    ['user', user],
    ['folder', workingDir],
    ['stop signal', stopSignal],
  ];
  return [
    ...facts.flatMap(([name, value]): [string, string][] => (value === null ? [] : [[name, cut(value)]])),
    ...variables.map((line, index): [string, string] => [index === 0 ? 'variables' : '', line]),
  ];
}

function words(argv: string[]): string | null {
  return argv.length === 0
    ? null
    : argv
        .slice(0, MAX_CHARACTERS)
        .map((word) => (isPlain(word) ? word : JSON.stringify(word)))
        .join(' ');
}

function isPlain(word: string): boolean {
  return /^[\w./=:@%+,-]+$/.test(word);
}

function cut(text: string): string {
  const shown = cleanQuote(text, MAX_CHARACTERS + 1);
  return shown.length > MAX_CHARACTERS ? `${shown.slice(0, MAX_CHARACTERS)}…` : shown;
}
