/**
 * Text that others chose (a guest's console, its errors, names, messages of programs) may move the cursor, hide what
 * follows, set the title, type into the terminal, or turn the order of what is read around. None of that may reach a
 * terminal, a log or a document of ours. What it may hold is in vectors/evil-text.json.
 */

/** One line: sequences are gone, every other control character is a blank. */
export function cleanLine(text: string): string {
  return text.replace(SEQUENCE, '').replace(CONTROL, ' ');
}

/** The same, with single blanks and at most so many characters: for a message of ours that quotes it. */
export function cleanQuote(text: string, maxCharacters = 500): string {
  return cleanLine(text.slice(0, 4 * maxCharacters))
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, maxCharacters);
}

/** Lines, without those that are empty. */
export function cleanLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => cleanLine(line).trimEnd())
    .filter((line) => line !== '');
}

/** Lines with their tabs and colours; each colour ends with its line, so that nothing follows it out of here. */
export function cleanConsole(text: string): string {
  return text
    .replace(SEQUENCE, (sequence) => (COLOUR.test(sequence) ? sequence : ''))
    .split('\n')
    .map(cleanColoured)
    .join('\n');
}

function cleanColoured(line: string): string {
  const parts = line.split(COLOURS);
  const cleaned = parts.map((part, index) => (index % 2 === 0 ? part.replace(CONTROL_BUT_TAB, '') : part)).join('');
  return parts.length === 1 || parts.at(-2) === RESET ? cleaned : cleaned + RESET;
}

/** As JSON, in which such characters are escaped: it is read by people too. */
export function cleanJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(NOT_ESCAPED_BY_JSON, (found) =>
    Array.from({ length: found.length }, (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`).join(
      '',
    ),
  );
}

const RESET = '\u001b[0m';
// biome-ignore-start lint/suspicious/noControlCharactersInRegex: control characters are what this file is about
// CSI …, then OSC/DCS/APC/PM/SOS … until BEL, ST or the line's end, then the short ones; in the 8-bit forms too. What a
// body may not hold keeps the time linear
const SEQUENCE =
  /(?:\u001b\[|\u009b)[0-9:;<=>?]*[ -/]*[@-~]|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\n\u0007\u001b\u0090\u0098\u009c-\u009f]*(?:\u0007|\u001b\\|\u009c|$|(?=\n))|\u001b[ -/]*[0-~]/g;
// Bold, dim, italic, underlined, inverse and colours: not blinking, and not hidden
const SGR = String.raw`(?:0?[0-4]?|7|2[1-57-9]|[34][0-79]|9[0-7]|10[0-7]|[34]8[:;]5[:;]\d{1,3}|[34]8[:;]2(?:[:;]\d{1,3}){3})`;
const COLOUR = new RegExp(`^\\u001b\\[${SGR}(?:;${SGR})*m$`);
const COLOURS = new RegExp(`(\\u001b\\[${SGR}(?:;${SGR})*m)`);
// Zero-width joiners stay: scripts and emoji need them
const CONTROL = /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]--[\u200c\u200d]]/gv;
const CONTROL_BUT_TAB = /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]--[\t\u200c\u200d]]/gv;
const NOT_ESCAPED_BY_JSON = /[[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]--[\u200c\u200d]]/gv;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: as above
