/** Flags and environment to what the agent is asked to start. Pure, but for the terminal's size that is handed in. */
import { BangerError } from '@banger/contract/errors.ts';
import { checkCommandSize } from '@banger/contract/guest/command-size.ts';
import type { ExecStart } from '@banger/contract/guest/messages.ts';
import type { Terminal } from './output/terminal.ts';

export type ExecFlags = {
  env: string[];
  cwd: string | undefined;
  user: string | undefined;
  tty: boolean;
  'no-tty': boolean;
  detach: boolean;
  entrypoint: boolean;
};

type Environment = Readonly<Record<string, string | undefined>>;

type RequestParts = {
  command: string[] | null;
  /** Whether no command is what the image runs, rather than a shell */
  isFirst?: boolean;
  flags: ExecFlags;
  terminal: Terminal;
  env: Environment;
  size: () => { cols: number; rows: number };
};

export function planExec({ command, isFirst = false, flags, terminal, env, size }: RequestParts): ExecStart {
  const image = flags.entrypoint || (isFirst && command === null) ? 'command' : 'defaults';
  const isShell = command === null && !(flags.detach && image === 'command');
  const hasTty = wantsTty(isShell, flags, terminal);
  const words = {
    argv: command ?? [],
    env: { ...(hasTty && terminalVariables(env)), ...chosenVariables(flags.env, env) },
  };
  checkCommandSize(words);
  return {
    ...words,
    cwd: flags.cwd ?? null,
    user: flags.user ?? null,
    tty: hasTty ? size() : null,
    // Nobody types into a detached command before somebody attaches; only a terminal can be typed into later.
    stdin: hasTty || !flags.detach,
    keep: flags.detach,
    image,
  };
}

/**
 * A shell gets a terminal when there is one on this side, as does what the image runs, which may be one; a command, or what
 * nobody looks at, only when it is asked for.
 */
function wantsTty(isShell: boolean, flags: ExecFlags, terminal: Terminal): boolean {
  if (flags.tty && flags['no-tty']) throw usage('--tty and --no-tty exclude each other.', 'Leave one of them out.');
  if (flags.tty) return true;
  if (flags['no-tty'] || !isShell) return false;
  return flags.detach || (terminal.isStdinTty && terminal.isStdoutTty);
}

function terminalVariables(env: Environment): Record<string, string> {
  return pick(env, ['TERM', 'COLORTERM']);
}

export function chosenVariables(words: string[], env: Environment): Record<string, string> {
  const chosen: Record<string, string> = {};
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    if (!/^[^\s=\0]+$/.test(name)) throw usage(`--env "${word}": this is not a variable.`, 'Write --env NAME=value.');
    if (equals < 0 && /^(?:NODE|UV)_/.test(name)) {
      const hint = `Write --env ${name}="$${name}".`;
      throw usage(`--env ${name}: the command does not read Node's own variables.`, hint);
    }
    if (equals >= 0) chosen[name] = word.slice(equals + 1);
    else Object.assign(chosen, pick(env, [name]));
  }
  return chosen;
}

function pick(env: Environment, names: string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

function usage(message: string, hint?: string): BangerError {
  return new BangerError('USAGE', { message, ...(hint !== undefined && { hint }) });
}
