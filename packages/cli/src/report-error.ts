/** A failure in words: what happened, its code, what to do next. */

import { cleanJson, cleanLine, cleanLines } from '@banger/contract/clean-text.ts';
import { type BangerError, ERRORS, type ErrorCode, toBangerError } from '@banger/contract/errors.ts';

type Report = { text: string; code: ErrorCode; exitCode: number };

export function reportError(thrown: unknown): Report {
  const error = toBangerError(thrown);
  const lines = [`banger: ${cleanLine(error.message)} (${error.code})`];
  for (const line of consoleOf(error)) lines.push(`  | ${line}`);
  if (error.hint !== undefined) lines.push(`  hint: ${cleanLine(error.hint)}`);
  if (error.code === 'INTERNAL' && error.cause instanceof Error) {
    // A fault of ours: the place is what a bug report needs
    for (const line of error.cause.stack?.split('\n').slice(1, 5) ?? []) lines.push(`  ${cleanLine(line.trim())}`);
  }
  return { text: `${lines.join('\n')}\n`, code: error.code, exitCode: ERRORS[error.code].exit };
}

/** What --json prints of it. */
export function errorDocument(thrown: unknown, indent: number): string {
  return cleanJson({ error: toBangerError(thrown).toWire() }, indent);
}

/** `details.console`: the last lines of the guest's console or of a tool's output, as one text or a list of lines. */
function consoleOf({ details }: BangerError): string[] {
  const found = details?.console;
  const text = Array.isArray(found) ? found.join('\n') : typeof found === 'string' ? found : '';
  return cleanLines(text);
}
