/** A command for the shell that sshd starts in the guest. */

/**
 * One word is such a line already; several are a command with
 * its arguments, which stay apart.
 */
export function remoteLine(command: readonly string[]): string {
  return command.length === 1 ? (command[0] as string) : command.map(shellQuote).join(' ');
}

function shellQuote(word: string): string {
  return /^[\w./=:@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
