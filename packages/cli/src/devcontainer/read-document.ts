/** The text of a devcontainer.json: JSON with comments and trailing commas. Anybody may have written it. */
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { BangerError } from '@banger/contract/errors.ts';
import { type ParseError, parse, printParseErrorCode, visit } from 'jsonc-parser';

export type Document = ReadonlyMap<string, unknown>;

/** The parser calls itself for each */
const MAX_NESTING = 64;

/** Throws DEVCONTAINER_INVALID. */
export function readDocument(bytes: Uint8Array): Document {
  const text = decode(bytes);
  refuseNesting(text);
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, { allowTrailingComma: true });
  const [first] = errors;
  if (first) throw invalid(`It is no JSON at ${placeOf(text, first.offset)}: ${wordsOf(first)}.`);
  return documentOf(value, 'It');
}

/** Throws unless it is an object. Its own keys count, `__proto__` among them not. */
export function documentOf(value: unknown, what: string): Document {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return new Map(Object.entries(value));
  throw invalid(`${what} is not an object.`);
}

export function invalid(why: string, hint = 'See "Machines from a devcontainer.json" in the guide.'): BangerError {
  return new BangerError('DEVCONTAINER_INVALID', {
    message: `The devcontainer.json of the repository is not understood. ${why}`,
    hint,
  });
}

/** A key or a value of the document, in a message of ours. */
export function quoted(text: string): string {
  return `"${cleanQuote(text, 80)}"`;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid('It is not UTF-8.');
  }
}

function refuseNesting(text: string): void {
  let depth = 0;
  const enter = () => {
    if (++depth > MAX_NESTING) throw invalid(`It is nested deeper than ${MAX_NESTING}.`);
  };
  const leave = () => void depth--;
  visit(text, { onObjectBegin: enter, onArrayBegin: enter, onObjectEnd: leave, onArrayEnd: leave });
}

/** "InvalidCommentToken" as "invalid comment token" */
function wordsOf({ error }: ParseError): string {
  return printParseErrorCode(error)
    .replace(/(?<=.)[A-Z]/g, ' $&')
    .toLowerCase();
}

function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
}
