/** Words and paths that are not UTF-8, which Node gives with other bytes in place of theirs. See byte-text.ts. */
import { textOfBytes } from '@banger/contract/byte-text.ts';

const REPLACEMENT = '\ufffd';

/** The command line without the program, as it was written. */
export function exactArgv(): string[] {
  const argv = process.argv.slice(2);
  if (!argv.some((word) => word.includes(REPLACEMENT))) return argv;
  const { readFileSync } = process.getBuiltinModule('node:fs');
  return wordsOf(readFileSync('/proc/self/cmdline')).slice(-argv.length);
}

/** The working folder. Throws ENOENT when it is gone. */
export function exactCwd(): string {
  const cwd = process.cwd();
  if (!cwd.includes(REPLACEMENT)) return cwd;
  const { readlinkSync } = process.getBuiltinModule('node:fs');
  return textOfBytes(readlinkSync('/proc/self/cwd', { encoding: 'buffer' }));
}

/** Each word ends with a zero. */
function wordsOf(commandLine: Buffer): string[] {
  const words: string[] = [];
  for (let at = 0; at < commandLine.length; ) {
    const end = commandLine.indexOf(0, at);
    words.push(textOfBytes(commandLine.subarray(at, end)));
    at = end + 1;
  }
  return words;
}
