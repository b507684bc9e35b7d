/** `web.vm` is how ssh names the vm `web`; both are understood where ssh may be the caller. */
export function vmOfHost(host: string): string {
  return host.endsWith('.vm') ? host.slice(0, -'.vm'.length) : host;
}

/**
 * The command as one line for the shell that sshd starts. One word is such a line already; several are a command with
 * its arguments, which stay apart.
 */
export function remoteLine(command: readonly string[]): string {
  return command.length === 1 ? (command[0] as string) : command.map(shellQuote).join(' ');
}

function shellQuote(word: string): string {
  return /^[\w./=:@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
