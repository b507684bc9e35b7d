/**
 * Text that others chose (names of commands in a guest, its console, messages) may carry escape sequences that move the
 * cursor, set the title or type into the terminal. None of that may reach a terminal of ours.
 */

/** One line: every control character becomes a blank. */
export function cleanLine(text: string): string {
  return text.replace(CONTROL, ' ');
}

/** Lines: keeps new lines, tabs and colours, drops every other control sequence. For a console's text. */
export function cleanConsole(text: string): string {
  return text.replace(SEQUENCE, (sequence) => (COLOUR.test(sequence) ? sequence : '')).replace(LONE_CONTROL, '');
}

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: control characters are what this file is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;
// CSI …, OSC/DCS/APC/PM/SOS … until BEL or ST, and the short sequences of two characters
const SEQUENCE =
  /(?:\u001b\[|\u009b)[0-9:;<=>?]*[ -/]*[@-~]|\u001b(?:[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\|$)|[ -/]*[0-~])/g;
const COLOUR = /^\u001b\[[0-9:;]*m$/;
const LONE_CONTROL = /\u001b(?!\[[0-9:;]*m)|[\u0000-\u0008\u000b-\u000d\u000e-\u001a\u001c-\u001f\u007f-\u009f]/g;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: as above
